use super::*;

/// A camera in layers, in kbit/s, as they are with their headers.
const CAMERA: [u64; MAX_LAYERS] = [150, 500, 1700, 0];
/// All that one stream has.
const STREAM: [u64; MAX_LAYERS] = [1500, 0, 0, 0];

/// A way that nobody found the end of.
const OPEN: u64 = u64::MAX;

/// A publisher that listens, unless it is said otherwise, and what its receivers have room for.
struct Show {
    ceiling: Ceiling,
    now: Time,
    layers: [u64; MAX_LAYERS],
    listens: bool,
    /// The least that its encoder begins a layer with.
    least: u64,
    /// What it sends of the bounded layer beyond its share, or less, in hundredths of that.
    overshoot: i64,
    /// Each receiver has another like it, so that nobody is the only one.
    twins: bool,
    /// Caps so far.
    bounds: Vec<Option<(u8, u64)>>,
}

impl Show {
    fn new(layers: [u64; MAX_LAYERS]) -> Self {
        let (ceiling, now) = (Ceiling::default(), Time::from_millis(1000));
        let bounds = vec![None];
        Self { ceiling, now, layers, listens: true, least: 0, overshoot: 0, twins: true, bounds }
    }

    /// With one receiver, and layers of which is said what they are set to.
    fn alone(layers: [u64; MAX_LAYERS]) -> Self {
        let mut show = Self { twins: false, ..Self::new(layers) };
        show.ceiling.tell(layers.map(|kilobits| kilobits * 1000).into_iter());
        show
    }

    /// What it sends now.
    fn sends(&self) -> Sends {
        let mut sends = Sends::default();
        for (layer, full) in (0u8..).zip(self.layers).filter(|(_, full)| *full > 0) {
            let bits = match self.ceiling.bound().filter(|_| self.listens) {
                Some(bound) if layer > bound.layer => 0,
                Some(bound) if layer == bound.layer && bound.share < self.least * 1000 => 0,
                Some(bound) if layer == bound.layer => (bound.share / 100)
                    .saturating_mul(100u64.saturating_add_signed(self.overshoot))
                    .min(full * 1000),
                _ => full * 1000,
            };
            sends.latest[usize::from(layer)] = bits;
            sends.live |= u8::from(bits > 0) << layer;
        }
        sends
    }

    /// So many seconds in which receivers have room for so many kbit/s, and want up to a layer.
    fn run(&mut self, seconds: f64, leeways: &[(u64, u8)]) -> Option<(u8, u64)> {
        let end = self.now + Duration::from_secs_f64(seconds);
        while self.now < end {
            let sends = self.sends();
            let twins = if self.twins { leeways } else { &[] };
            let leeways = leeways.iter().chain(twins).map(|&(kilobits, layer)| {
                let bits = kilobits.saturating_mul(1000);
                (Leeway { bits, whole: kilobits == OPEN }, layer)
            });
            if self.ceiling.look(self.now, &sends, leeways) {
                self.bounds.push(self.bound());
            }
            self.now = self.now + LOOK;
        }
        self.bound()
    }

    fn bound(&self) -> Option<(u8, u64)> {
        self.ceiling.bound().map(|bound| (bound.layer, bound.share / 1000))
    }
}

/// So many seconds of leeways in kbit/s, each with what it wants, and what is asked then.
type Step<'a> = (f64, &'a [(u64, u8)], Option<(u8, u64)>);

/// What is asked of a publisher after each of some stretches of time.
fn check(layers: [u64; MAX_LAYERS], steps: &[Step<'_>]) {
    check_show(Show::new(layers), steps);
}

fn check_show(mut show: Show, steps: &[Step<'_>]) {
    for (nth, (seconds, leeways, expected)) in steps.iter().enumerate() {
        assert_eq!(show.run(*seconds, leeways), *expected, "after step {nth} of {steps:?}");
    }
}

#[test]
fn a_publisher_follows_receivers_that_are_narrow_for_three_seconds() {
    // Which layer is worth it, and how much of it.
    for (leeway, expected) in [
        (60, Some((0, 100))),
        (150, Some((0, 130))),
        (190, Some((0, 159))),
        (240, Some((1, 220))),
        (550, Some((1, 522))),
        (600, Some((1, 531))),
        (700, Some((1, 531))),
        (780, Some((2, 741))),
        (1800, Some((2, 1710))),
        (2100, Some((2, 1806))),
        (2150, None),
        (OPEN, None),
    ] {
        check(CAMERA, &[(2.9, &[(leeway, 2)], None), (0.5, &[(leeway, 2)], expected)]);
    }
    for (leeway, expected) in [(60, Some(100)), (800, Some(760)), (1600, Some(1520)), (1900, None)]
    {
        check(STREAM, &[(3.5, &[(leeway, 0)], expected.map(|share| (0, share)))]);
    }
}

#[test]
fn an_only_receiver_is_followed_from_the_start() {
    for (leeway, expected) in [
        (60, Some((0, 100))),
        (190, Some((0, 159))),
        (240, Some((1, 220))),
        (600, Some((1, 531))),
        (780, Some((2, 741))),
        (1800, Some((2, 1710))),
        (2150, None),
        (OPEN, None),
    ] {
        check_show(Show::alone(CAMERA), &[(0.25, &[(leeway, 2)], expected)]);
    }
    check_show(Show::alone(STREAM), &[(0.25, &[(800, 0)], Some((0, 760)))]);
}

#[test]
fn an_only_receiver_is_followed_up_sooner() {
    let narrow: Step<'_> = (0.25, &[(800, 2)], Some((2, 760)));
    for (step, expected) in [
        ((0.5, 900), Some((2, 760))),
        ((0.75, 900), Some((2, 855))),
        ((0.25, 1300), Some((2, 1235))),
        ((0.25, 790), Some((2, 760))),
        ((0.25, 700), Some((2, 665))),
        ((0.25, 300), Some((1, 280))),
    ] {
        let (seconds, leeway) = step;
        check_show(Show::alone(CAMERA), &[narrow, (seconds, &[(leeway, 2)], expected)]);
    }
    // Somebody else comes, who has all.
    check_show(
        Show::alone(CAMERA),
        &[narrow, (0.75, &[(800, 2), (OPEN, 2)], None), (0.25, &[(800, 2)], Some((2, 760)))],
    );
}

#[test]
fn what_an_encoder_begins_with_is_not_taken_for_all_that_it_might_send() {
    for (way, expected) in [
        (140, Some((0, 120))),
        (400, Some((1, 380))),
        (900, Some((2, 855))),
        (1500, Some((2, 1425))),
        (4000, None),
    ] {
        let mut show = Show::alone(CAMERA);
        // Its layers come one after the other and grow.
        for kilobits in (100..=2000).step_by(100) {
            let top = if kilobits < 400 { 0 } else { (kilobits - 300).min(CAMERA[2]) };
            show.layers = [kilobits.min(150), kilobits.min(500), top, 0];
            show.run(0.25, &[(way, 2)]);
            let bound = show.bound();
            assert!(bound.is_none() || bound == expected, "{way}: {:?}", show.bounds);
        }
        assert_eq!(show.bound(), expected, "{way}: {:?}", show.bounds);
    }
}

#[test]
fn an_only_receiver_is_judged_by_layers_that_have_not_come() {
    let mut show = Show::alone(CAMERA);
    show.layers = [150, 300, 0, 0];
    assert_eq!(show.run(0.25, &[(400, 2)]), Some((1, 380)));
    assert_eq!(show.ceiling.full(2), 1_700_000, "its way is probed for them");
    // Which might come if it were not for the bound.
    assert_eq!(show.run(0.25, &[(900, 2)]), None);
    assert_eq!(show.run(9.0, &[(900, 2)]), None);
    show.layers = CAMERA;
    assert_eq!(show.run(0.25, &[(900, 2)]), Some((2, 855)));
}

#[test]
fn an_only_receiver_that_misses_nothing_yet_bounds_what_comes() {
    let mut show = Show::alone(CAMERA);
    show.layers = [150, 300, 0, 0];
    let missing_nothing = (Leeway { bits: 400_000, whole: true }, 2);
    show.ceiling.look(show.now, &show.sends(), [missing_nothing].into_iter());
    assert_eq!(show.bound(), Some((1, 380)));
}

#[test]
fn an_encoder_that_begins_with_a_key_frame_is_not_judged_by_it() {
    let mut show = Show::alone(CAMERA);
    show.layers = [600, 2000, 6800, 0];
    assert_eq!(show.run(0.25, &[(800, 2)]), Some((2, 760)));
}

#[test]
fn an_only_receiver_waits_like_many_when_nobody_said_what_layers_are_set_to() {
    let mut show = Show::alone(CAMERA);
    show.ceiling.tell([0; MAX_LAYERS].into_iter());
    assert_eq!(show.run(1.6, &[(800, 2)]), None);
    assert_eq!(show.run(0.5, &[(800, 2)]), Some((2, 760)));
}

#[test]
fn what_a_layer_was_seen_to_take_for_a_while_counts_more_than_what_was_said() {
    let mut show = Show::alone([150, 500, 900, 0]);
    show.ceiling.tell(CAMERA.map(|kilobits| kilobits * 1000).into_iter());
    assert_eq!(show.run(0.25, &[(OPEN, 2)]), None);
    assert_eq!(show.ceiling.full(2), 1_700_000);
    show.run(5.0, &[(OPEN, 2)]);
    assert_eq!(show.ceiling.full(2), 900_000);
}

#[test]
fn the_widest_receiver_decides_as_far_as_it_wants() {
    check(CAMERA, &[(9.0, &[(300, 2), (OPEN, 2), (800, 2)], None)]);
    check(CAMERA, &[(9.0, &[(300, 2), (400, 2), (800, 2)], Some((2, 760)))]);
    // It has all that it wants below that.
    check(CAMERA, &[(9.0, &[(OPEN, 0), (800, 2)], Some((2, 760)))]);
    check(CAMERA, &[(9.0, &[(OPEN, 1), (400, 2)], None)]);
    check(CAMERA, &[(9.0, &[], None)]);
}

#[test]
fn it_goes_down_at_once_and_up_after_a_while() {
    let narrow: Step<'_> = (4.0, &[(900, 2)], Some((2, 855)));
    // A little is borne, more is followed.
    check(
        CAMERA,
        &[narrow, (1.0, &[(830, 2)], Some((2, 855))), (0.25, &[(790, 2)], Some((2, 750)))],
    );
    check(
        CAMERA,
        &[narrow, (1.5, &[(1000, 2)], Some((2, 855))), (1.0, &[(1000, 2)], Some((2, 950)))],
    );
    // The least of the while counts.
    check(
        CAMERA,
        &[narrow, (1.0, &[(1000, 2)], Some((2, 855))), (1.5, &[(960, 2)], Some((2, 912)))],
    );
    check(CAMERA, &[narrow, (1.0, &[(2500, 2)], None)]);
    check(CAMERA, &[narrow, (1.0, &[(900, 2), (OPEN, 2)], None)]);
    check(CAMERA, &[narrow, (0.25, &[(300, 2)], Some((1, 280))), (9.0, &[(2500, 2)], None)]);
    check(CAMERA, &[narrow, (0.25, &[], None)]);
}

#[test]
fn a_layer_is_entered_at_more_than_it_is_left_at() {
    let narrow: Step<'_> = (4.0, &[(800, 2)], Some((2, 760)));
    // A dip is borne at what the layer is just worth; when it lasts the layer goes.
    check(
        CAMERA,
        &[
            narrow,
            (2.0, &[(590, 2)], Some((2, 637))),
            (1.5, &[(590, 2)], Some((1, 531))),
            (3.0, &[(700, 2)], Some((1, 531))),
            (3.0, &[(780, 2)], Some((2, 741))),
        ],
    );
    check(
        CAMERA,
        &[narrow, (1.0, &[(590, 2)], Some((2, 637))), (3.0, &[(780, 2)], Some((2, 741)))],
    );
}

#[test]
fn a_way_that_wavers_does_not_make_layers_come_and_go() {
    for (low, high) in [(200, 240), (500, 620), (600, 700), (700, 820), (1500, 1900), (1900, 2300)]
    {
        for mut show in [Show::new(CAMERA), Show::alone(CAMERA)] {
            for _ in 0..20 {
                show.run(1.5, &[(low, 2)]);
                show.run(1.5, &[(high, 2)]);
            }
            let layers: Vec<u8> =
                show.bounds.iter().map(|bound| bound.map_or(2, |(layer, _)| layer)).collect();
            let changes = layers.windows(2).filter(|pair| pair[0] != pair[1]).count();
            assert!(changes <= 2, "{low} to {high}: {:?}", show.bounds);
        }
    }
}

#[test]
fn what_a_layer_may_come_to_counts_once_the_publisher_has_come_down() {
    let mut show = Show::new(CAMERA);
    show.listens = false;
    assert_eq!(show.run(9.0, &[(800, 2)]), Some((2, 760)));
    assert_eq!(show.ceiling.share(2), None);
    show.listens = true;
    show.run(0.5, &[(800, 2)]);
    assert_eq!(show.ceiling.share(2), Some(760_000));
    assert_eq!((show.ceiling.share(1), show.ceiling.total(7)), (None, Some(1_410_000)));
    // A key frame is no defiance, two seconds are.
    show.listens = false;
    show.run(1.5, &[(800, 2)]);
    assert!(show.ceiling.share(2).is_some_and(|share| share > 760_000));
    show.run(1.0, &[(800, 2)]);
    assert_eq!(show.ceiling.share(2), None);
}

#[test]
fn receivers_change_over_before_a_layer_ceases() {
    let mut show = Show::new(CAMERA);
    show.run(4.0, &[(800, 2)]);
    show.run(2.0, &[(590, 2)]);
    assert!(!show.ceiling.leaves(2));
    show.run(0.5, &[(590, 2)]);
    assert!(show.ceiling.leaves(2) && !show.ceiling.leaves(1));
    assert_eq!(show.bound(), Some((2, 637)));
    // It need not, when there is room again.
    show.run(0.5, &[(800, 2)]);
    assert!(!show.ceiling.leaves(2));
}

#[test]
fn a_layer_that_its_encoder_does_not_send_at_such_a_rate_is_not_waited_for() {
    let mut show = Show::new(CAMERA);
    show.least = 760;
    assert_eq!(show.run(4.0, &[(780, 2)]), Some((2, 741)));
    assert_eq!(show.run(3.0, &[(780, 2)]), Some((1, 531)));
    assert_eq!(show.run(9.0, &[(800, 2)]), Some((1, 531)), "not tried again");
    assert_eq!(show.run(9.0, &[(840, 2)]), Some((2, 798)));
    // Nor is it asked for again at what it ceased at.
    show.least = 820;
    assert_eq!(show.run(3.5, &[(840, 2)]), Some((1, 531)));
    assert_eq!(show.run(9.0, &[(880, 2)]), Some((1, 531)));
    assert_eq!(show.run(9.0, &[(900, 2)]), Some((2, 855)));
}

#[test]
fn what_layers_take_is_remembered_while_they_are_capped_and_learned_anew_after() {
    let mut show = Show::new(CAMERA);
    show.run(30.0, &[(400, 2)]);
    assert_eq!(show.bound(), Some((1, 380)));
    assert_eq!((show.ceiling.full(2), show.ceiling.full(1)), (1_700_000, 500_000));
    show.layers = [150, 500, 900, 0];
    show.run(20.0, &[(OPEN, 2)]);
    assert!(show.ceiling.full(2).abs_diff(900_000) < 10_000, "{}", show.ceiling.full(2));
}

#[test]
fn a_layer_that_may_come_whole_is_not_thinned_by_what_keeps_others_away() {
    let mut show = Show::new(CAMERA);
    assert_eq!(show.run(9.0, &[(600, 2)]), Some((1, 531)));
    let total = show.ceiling.total(3).unwrap();
    assert!((150_000 + 625_000..150_000 + 700_000).contains(&total), "{total}");
    assert_eq!(show.run(1.0, &[(400, 2)]), Some((1, 380)));
    assert!(show.ceiling.total(3).is_some_and(|total| total <= 530_000));
}

#[test]
fn an_encoder_that_is_on_its_way_up_is_not_bounded_by_what_it_began_with() {
    let mut show = Show::new([150, 100, 0, 0]);
    for kilobits in (150..=1700).step_by(50) {
        show.layers = [150, 500.min(kilobits), kilobits, 0];
        assert_eq!(show.run(0.25, &[(140, 2)]), None, "at {kilobits}");
    }
    assert_eq!(show.run(5.0, &[(800, 2)]), Some((2, 760)));
}

#[test]
fn an_encoder_that_sends_more_than_its_share_is_asked_for_less() {
    let mut show = Show::new(CAMERA);
    show.run(9.0, &[(800, 2)]);
    let before = show.ceiling.total(7).unwrap();
    show.overshoot = 8;
    show.run(5.0, &[(800, 2)]);
    let after = show.ceiling.total(7).unwrap();
    assert!((before - 95_000..before - 40_000).contains(&after), "{before}, {after}");
    show.overshoot = -8;
    show.run(20.0, &[(800, 2)]);
    assert_eq!(show.ceiling.total(7), Some(before));
}
