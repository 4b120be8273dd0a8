use super::*;

#[test]
fn two_thousand_runs_keep_every_promise() {
    let mut total = Summary::default();
    for seed in 0..2_000 {
        match run(seed, &mut |_, _| ()) {
            Ok(summary) => total.add(&summary),
            Err(failure) => panic!("{failure}"),
        }
    }
    // Runs in which nothing happens prove nothing.
    println!("{total}");
    let idle = total.stats.ended.iter().filter(|&(cause, many)| {
        let elsewhere = ["answered_elsewhere", "declined_elsewhere"].contains(&cause.label());
        !elsewhere && many < 20
    });
    assert_eq!(idle.count(), 0, "{total}");
    assert!(total.stats.glare > 20, "{total}");
}

#[test]
fn a_seed_replays_exactly() {
    let trace = |seed| {
        let mut lines = Vec::new();
        let result = run(seed, &mut |at, line| lines.push(format!("{at:?} {line}")));
        assert!(result.is_ok());
        lines
    };
    assert_eq!(trace(7), trace(7));
    assert_ne!(trace(7), trace(8));
}
