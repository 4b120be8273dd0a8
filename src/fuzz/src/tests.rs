use super::*;

/// Every seed, every cut of it, and every byte of it changed in three ways.
fn replay(target: &Target) {
    let seeds = target.seeds().unwrap_or_default();
    assert!(!seeds.is_empty(), "{} has no seeds", target.name);
    for (path, seed) in seeds {
        eprintln!("{}", path.display());
        (target.run)(&seed);
        for len in 0..seed.len() {
            (target.run)(&seed[..len]);
        }
        let mut changed = seed.clone();
        for at in 0..seed.len() {
            for bits in [0x01, 0x80, 0xff] {
                changed[at] = seed[at] ^ bits;
                (target.run)(&changed);
            }
            changed[at] = seed[at];
        }
    }
}

#[test]
fn every_seed_and_its_neighbours_are_survived() {
    TARGETS.iter().for_each(replay);
}

#[test]
fn every_folder_of_seeds_has_its_target() {
    let corpus = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for entry in std::fs::read_dir(corpus).unwrap() {
        let name = entry.unwrap().file_name();
        assert!(TARGETS.iter().any(|target| name == target.name), "{name:?}");
    }
}

#[test]
fn a_seed_of_randomness_mutates_the_same_way() {
    let seeds = vec![vec![1, 2, 3, 4], vec![9; 40]];
    let draw = || {
        let mut rng = offhook_types::Rng::from_seed(5);
        let mut all = Vec::new();
        let mut input = Vec::new();
        for _ in 0..100 {
            mutate::mutate(&mut rng, &seeds, &mut input);
            all.push(input.clone());
        }
        all
    };
    assert_eq!(draw(), draw());
    assert!(draw().iter().any(|input| input.len() > 40));
}
