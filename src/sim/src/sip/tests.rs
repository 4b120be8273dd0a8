use super::*;

#[test]
fn five_hundred_runs_keep_every_promise() {
    let mut total = Summary::default();
    for seed in 0..500 {
        match run(seed, &mut |_, _| ()) {
            Ok(summary) => total.add(&summary),
            Err(failure) => panic!("{failure}"),
        }
    }
    // Runs in which nothing happens prove nothing.
    println!("{total}");
    let Summary { placed, answered, crossed, reoffers, glare, seconds, crashes, .. } = total;
    for (many, what) in [
        (placed, "placed"),
        (answered, "answered"),
        (crossed, "answers that crossed a CANCEL"),
        (reoffers, "offers answered"),
        (glare, "glare"),
        (seconds, "second answers"),
        (crashes, "crashes"),
    ] {
        assert!(many > 10, "{what}: {many}");
    }
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
