//! The rhythm and frequencies of call progress tones per country (ITU-T E.180 Supplement 2, which
//! lists what the administrations reported).

use crate::words::Tone;

/// Up to three frequencies together, or silence (all zero), for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Beat {
    pub(super) hertz: [u16; 3],
    pub(super) millis: u16,
}

impl Beat {
    /// Sample number `nth` of the beat.
    pub(super) fn sample(&self, nth: u32, rate: u32) -> i16 {
        let mut sum = 0.0;
        for hertz in self.hertz.into_iter().filter(|&hertz| hertz > 0) {
            // The phase within a second is a whole number of turns, kept exact.
            let turns = (u64::from(hertz) * u64::from(nth)) % u64::from(rate.max(1));
            sum += (core::f32::consts::TAU * turns as f32 / rate as f32).sin();
        }
        (sum * AMPLITUDE) as i16
    }
}

/// One round of a tone in the manner of a country.
pub(super) fn beats(country: [u8; 2], tone: Tone) -> &'static [Beat] {
    let plan = plan(country);
    match tone {
        Tone::Ringback => plan.ringback,
        Tone::Busy => plan.busy,
        Tone::Congestion => plan.congestion,
        Tone::CallWaiting => plan.waiting,
        Tone::Warning => WARNING,
        Tone::Refused => REFUSED,
    }
}

struct Plan {
    ringback: &'static [Beat],
    busy: &'static [Beat],
    congestion: &'static [Beat],
    waiting: &'static [Beat],
}

fn plan(country: [u8; 2]) -> &'static Plan {
    match &country {
        b"US" | b"CA" | b"PR" | b"DO" | b"JM" => &NORTH_AMERICA,
        b"GB" | b"IE" | b"MT" => &BRITAIN,
        b"FR" => &FRANCE,
        b"ES" => &SPAIN,
        b"JP" => &JAPAN,
        b"AU" | b"NZ" => &AUSTRALIA,
        b"IN" => &INDIA,
        b"CN" | b"KR" | b"TW" => &CHINA,
        b"BR" | b"MX" => &LATIN_AMERICA,
        b"SE" | b"NO" | b"FI" | b"DK" => &NORDIC,
        _ => &EUROPE,
    }
}

/// A beat of these frequencies.
const fn on(hertz: [u16; 3], millis: u16) -> Beat {
    Beat { hertz, millis }
}

const fn off(millis: u16) -> Beat {
    Beat { hertz: [0; 3], millis }
}

const fn one(hertz: u16) -> [u16; 3] {
    [hertz, 0, 0]
}

/// Germany and most of the continent; what E.180 recommends.
static EUROPE: Plan = Plan {
    ringback: &[on(one(425), 1000), off(4000)],
    busy: &[on(one(425), 500), off(500)],
    congestion: &[on(one(425), 250), off(250)],
    waiting: &[on(one(425), 200), off(200), on(one(425), 200), off(5000)],
};

static NORTH_AMERICA: Plan = Plan {
    ringback: &[on([440, 480, 0], 2000), off(4000)],
    busy: &[on([480, 620, 0], 500), off(500)],
    congestion: &[on([480, 620, 0], 250), off(250)],
    waiting: &[on(one(440), 300), off(10_000)],
};

static BRITAIN: Plan = Plan {
    ringback: &[on([400, 450, 0], 400), off(200), on([400, 450, 0], 400), off(2000)],
    busy: &[on(one(400), 375), off(375)],
    congestion: &[on(one(400), 400), off(350), on(one(400), 225), off(525)],
    waiting: &[on(one(400), 100), off(4000)],
};

static FRANCE: Plan = Plan {
    ringback: &[on(one(440), 1500), off(3500)],
    busy: &[on(one(440), 500), off(500)],
    congestion: &[on(one(440), 250), off(250)],
    waiting: &[on(one(440), 300), off(10_000)],
};

static SPAIN: Plan = Plan {
    ringback: &[on(one(425), 1500), off(3000)],
    busy: &[on(one(425), 200), off(200)],
    congestion: &[
        on(one(425), 200),
        off(200),
        on(one(425), 200),
        off(200),
        on(one(425), 200),
        off(600),
    ],
    waiting: &[on(one(425), 175), off(175), on(one(425), 175), off(3500)],
};

/// The ringing tone is 400 Hz, modulated with 16 Hz.
static JAPAN: Plan = Plan {
    ringback: &[on([384, 416, 0], 1000), off(2000)],
    busy: &[on(one(400), 500), off(500)],
    congestion: &[on(one(400), 500), off(500)],
    waiting: &[on(one(400), 500), off(4000)],
};

static AUSTRALIA: Plan = Plan {
    ringback: &[on([400, 425, 450], 400), off(200), on([400, 425, 450], 400), off(2000)],
    busy: &[on(one(425), 375), off(375)],
    congestion: &[on(one(425), 375), off(375)],
    waiting: &[on(one(425), 200), off(200), on(one(425), 200), off(4400)],
};

/// The ringing tone is 400 Hz, modulated with 25 Hz.
static INDIA: Plan = Plan {
    ringback: &[on([375, 425, 0], 400), off(200), on([375, 425, 0], 400), off(2000)],
    busy: &[on(one(400), 750), off(750)],
    congestion: &[on(one(400), 250), off(250)],
    waiting: &[on(one(400), 200), off(100), on(one(400), 200), off(7500)],
};

static CHINA: Plan = Plan {
    ringback: &[on(one(450), 1000), off(4000)],
    busy: &[on(one(450), 350), off(350)],
    congestion: &[on(one(450), 700), off(700)],
    waiting: &[on(one(450), 400), off(4000)],
};

static LATIN_AMERICA: Plan = Plan {
    ringback: &[on(one(425), 1000), off(4000)],
    busy: &[on(one(425), 250), off(250)],
    congestion: &[on(one(425), 250), off(250)],
    waiting: &[on(one(425), 50), off(1000)],
};

static NORDIC: Plan = Plan {
    ringback: &[on(one(425), 1000), off(5000)],
    busy: &[on(one(425), 250), off(250)],
    congestion: &[on(one(425), 250), off(750)],
    waiting: &[on(one(425), 200), off(500), on(one(425), 200), off(5000)],
};

/// Two short beeps, of a frequency that no progress tone has.
const WARNING: &[Beat] = &[on(one(1400), 200), off(150), on(one(1400), 200), off(450)];

/// The special information tone: the same in every country.
const REFUSED: &[Beat] = &[on(one(950), 330), on(one(1400), 330), on(one(1800), 330), off(1000)];

/// Each frequency about 19 dB below overload, between the -10 dBm0 and -15 dBm0 that tones have.
const AMPLITUDE: f32 = 5000.0;
