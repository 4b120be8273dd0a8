//! Plots as SVG: lines over the seconds of a run, one small picture for each receiver, and a map of many receivers.
//! Colours are the page's; a pointer that rests on a second sees its figures.

use std::fmt::Write as _;

use crate::report::Person;

/// Inner size and margins of a plot of lines, in units of its view box.
const WIDTH: f64 = 620.0;
const HEIGHT: f64 = 170.0;
const LEFT: f64 = 52.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 22.0;
const RIGHT: f64 = 8.0;

/// One line of a plot.
pub(super) struct Line {
    /// What it shows.
    pub name: &'static str,
    /// Class that gives it its colour.
    pub colour: &'static str,
    /// By second.
    pub values: Vec<Option<f64>>,
}

/// Lines over the same seconds.
pub(super) struct Plot {
    /// Above it.
    pub title: &'static str,
    /// Behind numbers.
    pub unit: &'static str,
    /// At most four.
    pub lines: Vec<Line>,
}

impl Plot {
    /// The plot with its title and legend; the seconds that count have a ground of their own.
    pub fn figure(&self, window: [u32; 2]) -> String {
        let seconds = self.lines.iter().map(|line| line.values.len()).max().unwrap_or(0).max(2);
        let values = self.lines.iter().flat_map(|line| line.values.iter().flatten());
        let ticks = ticks(values.copied().fold(0.0, f64::max));
        let top = ticks.last().copied().unwrap_or(1.0);
        let x = |second: f64| LEFT + second / (seconds - 1) as f64 * (WIDTH - LEFT - RIGHT);
        let y = |value: f64| TOP + (1.0 - value / top) * (HEIGHT - TOP - BOTTOM);
        let mut out = String::from("<figure class=\"plot\"><figcaption><b>");
        let _ = write!(out, "{}</b><span class=\"unit\">{}</span>", self.title, self.unit);
        for line in self.lines.iter().filter(|_| self.lines.len() > 1) {
            let _ = write!(out, "<span class=\"key {}\">{}</span>", line.colour, line.name);
        }
        let _ = write!(
            out,
            "</figcaption><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
            self.title
        );
        let last = (seconds - 1) as f64;
        let [from, to] = window.map(|second| x(f64::from(second).min(last)));
        let _ = write!(
            out,
            "<rect class=\"window\" x=\"{from:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{}\"/>",
            to - from,
            HEIGHT - TOP - BOTTOM
        );
        for tick in &ticks {
            let at = y(*tick);
            let _ = write!(
                out,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                WIDTH - RIGHT,
                LEFT - 6.0,
                at + 3.5,
                number(*tick)
            );
        }
        for second in second_ticks(seconds) {
            let _ = write!(
                out,
                "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{second}</text>",
                x(f64::from(second)),
                HEIGHT - 6.0
            );
        }
        for line in &self.lines {
            let _ =
                write!(out, "<path class=\"line {}\" d=\"{}\"/>", line.colour, path(line, x, y));
        }
        self.hover(&mut out, x);
        out.push_str("</svg></figure>");
        out
    }

    /// A column for each second that says its figures.
    fn hover(&self, out: &mut String, x: impl Fn(f64) -> f64) {
        let seconds = self.lines.iter().map(|line| line.values.len()).max().unwrap_or(0);
        for second in 0..seconds {
            let left = x(second as f64 - 0.5).max(LEFT);
            let right = x(second as f64 + 0.5).min(WIDTH - RIGHT);
            let _ = write!(
                out,
                "<rect class=\"hover\" x=\"{left:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{}\"><title>{second} s",
                (right - left).max(0.5),
                HEIGHT - TOP - BOTTOM
            );
            for line in &self.lines {
                if let Some(Some(value)) = line.values.get(second) {
                    let _ = write!(out, "&#10;{}: {} {}", line.name, number(*value), self.unit);
                }
            }
            out.push_str("</title></rect>");
        }
    }
}

fn path(line: &Line, x: impl Fn(f64) -> f64, y: impl Fn(f64) -> f64) -> String {
    let mut path = String::new();
    let mut pen_is_down = false;
    for (second, value) in line.values.iter().enumerate() {
        if let Some(value) = value {
            let letter = if pen_is_down { 'L' } else { 'M' };
            let _ = write!(path, "{letter}{:.1} {:.1}", x(second as f64), y(*value));
        }
        pen_is_down = value.is_some();
    }
    path
}

/// One receiver's run: bit rate as an area, coloured by layer, frames a second as a line, what the server says it
/// may send as a dashed one.
pub(super) fn receiver(person: &Person, most_kbps: f64, window: [u32; 2]) -> String {
    let (width, height) = (300.0, 74.0);
    let seconds = person.kbps.len().max(1) as f64;
    let column = width / seconds;
    let y = |value: f64, top: f64| height - (value / top).min(1.0) * (height - 4.0);
    let mut out = String::from("<figure class=\"receiver\"><figcaption><b>");
    let _ = write!(
        out,
        "{}</b><span class=\"unit\">{}</span></figcaption>",
        escape(&person.identity),
        escape(&person.path)
    );
    let _ = write!(
        out,
        "<svg viewBox=\"0 0 {width} {height}\" preserveAspectRatio=\"none\" role=\"img\">"
    );
    let _ = write!(
        out,
        "<rect class=\"window\" x=\"{:.1}\" y=\"0\" width=\"{:.1}\" height=\"{height}\"/>",
        f64::from(window[0]) * column,
        f64::from(window[1] - window[0]) * column
    );
    let at = |values: &[f32], second: usize| f64::from(values.get(second).copied().unwrap_or(0.0));
    for second in 0..person.kbps.len() {
        let kbps = at(&person.kbps, second);
        let layer = at(&person.layer, second);
        let class = if layer < 0.0 { "sound".into() } else { format!("layer{:.0}", layer) };
        let top = y(kbps, most_kbps);
        let _ = write!(
            out,
            "<rect class=\"{class}\" x=\"{:.2}\" y=\"{top:.1}\" width=\"{:.2}\" height=\"{:.1}\">\
             <title>{second} s&#10;{kbps:.0} kbit/s&#10;{:.0} frames/s</title></rect>",
            second as f64 * column,
            (column - 0.6).max(0.4),
            height - top,
            at(&person.fps, second)
        );
    }
    let curve = |values: &[f32], top: f64| {
        let points = values.iter().enumerate().map(|(second, value)| {
            format!("{:.1},{:.1}", (second as f64 + 0.5) * column, y(f64::from(*value), top))
        });
        points.collect::<Vec<_>>().join(" ")
    };
    if person.fps.iter().any(|fps| *fps > 0.0) {
        let most = person.fps.iter().copied().fold(1.0, f32::max);
        let _ = write!(
            out,
            "<polyline class=\"fps\" points=\"{}\"/>",
            curve(&person.fps, f64::from(most) * 1.15)
        );
    }
    if person.estimate_kbps.iter().any(|kbps| *kbps > 0.0) {
        let _ = write!(
            out,
            "<polyline class=\"estimate\" points=\"{}\"/>",
            curve(&person.estimate_kbps, most_kbps)
        );
    }
    out.push_str("</svg>");
    let _ = write!(out, "<p>{}</p></figure>", caption(person));
    out
}

fn caption(person: &Person) -> String {
    let seconds = person.kbps.len().max(1) as f32;
    let mean = person.kbps.iter().sum::<f32>() / seconds;
    let mut caption = format!("{mean:.0} kbit/s");
    if person.streams > 0 {
        let _ = write!(caption, " · {} freezes", person.freezes);
        if person.frozen_share > 0.0 {
            let _ = write!(caption, ", still {:.0} %", person.frozen_share * 100.0);
        }
    }
    let expected = person.received as f64 + person.lost.max(0) as f64;
    if expected > 0.0 {
        let _ = write!(caption, " · lost {:.2} %", person.lost.max(0) as f64 * 100.0 / expected);
    }
    if let Some([_, p99]) = person.delay_ms {
        let _ = write!(caption, " · p99 {p99:.0} ms");
    }
    caption
}

/// Many receivers as rows of a map, a cell for each second, brighter with the bit rate.
pub(super) fn map(people: &[&Person], most_kbps: f64) -> String {
    let seconds = people.iter().map(|person| person.kbps.len()).max().unwrap_or(1).max(1);
    let (width, row) = (1240.0, if people.len() > 120 { 3.0 } else { 6.0 });
    let column = width / seconds as f64;
    let height = people.len() as f64 * row;
    let mut out = format!("<svg class=\"map\" viewBox=\"0 0 {width} {height}\" role=\"img\">");
    for (nth, person) in people.iter().enumerate() {
        let mut second = 0;
        while second < person.kbps.len() {
            // Neighbours of one colour are one cell, or a thousand receivers would be a page of megabytes.
            let colour = heat(f64::from(person.kbps[second]) / most_kbps);
            let same = person.kbps[second..].iter();
            let run = same.take_while(|kbps| heat(f64::from(**kbps) / most_kbps) == colour).count();
            let _ = write!(
                out,
                "<rect x=\"{:.1}\" y=\"{:.0}\" width=\"{:.1}\" height=\"{row}\" fill=\"{colour}\">\
                 <title>{} {second} s: {:.0} kbit/s</title></rect>",
                second as f64 * column,
                nth as f64 * row,
                run as f64 * column,
                escape(&person.identity),
                person.kbps[second]
            );
            second += run;
        }
    }
    out.push_str("</svg>");
    out
}

/// Sixteen steps from nothing to the most, dark to bright, in an order that stays one without colours.
fn heat(share: f64) -> String {
    const STOPS: [[f64; 3]; 5] = [
        [38.0, 30.0, 66.0],
        [59.0, 82.0, 139.0],
        [33.0, 145.0, 140.0],
        [94.0, 201.0, 98.0],
        [253.0, 231.0, 37.0],
    ];
    let step = (share.clamp(0.0, 1.0) * 16.0).round() / 16.0;
    let place = step * (STOPS.len() - 1) as f64;
    let (low, part) = ((place as usize).min(STOPS.len() - 2), place.fract());
    let part = if place as usize > low { 1.0 } else { part };
    let mix = |nth: usize| STOPS[low][nth] + (STOPS[low + 1][nth] - STOPS[low][nth]) * part;
    format!("#{:02x}{:02x}{:02x}", mix(0) as u8, mix(1) as u8, mix(2) as u8)
}

/// Round numbers from zero to at least `most`, about four of them.
fn ticks(most: f64) -> Vec<f64> {
    let most = if most > 0.0 { most } else { 1.0 };
    let power = 10f64.powf((most / 4.0).log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0].map(|step| step * power);
    let step = steps.into_iter().find(|step| step * 4.0 >= most).unwrap_or(power * 10.0);
    let count = (most / step).ceil().max(1.0) as usize;
    (0..=count).map(|nth| nth as f64 * step).collect()
}

fn second_ticks(seconds: usize) -> impl Iterator<Item = u32> {
    let mut steps = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600].into_iter();
    let step = steps.find(|step| seconds / step <= 10).unwrap_or(600);
    (0..seconds as u32).step_by(step)
}

/// As few digits as tell numbers apart.
pub(super) fn number(value: f64) -> String {
    let digits = match value.abs() {
        large if large >= 100.0 => 0,
        middle if middle >= 10.0 => 1,
        small if small >= 0.1 => 2,
        0.0 => 0,
        _ => 3,
    };
    let text = format!("{value:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// Text between tags.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_reach_the_top() {
        for (most, expected) in [
            (0.0, vec![0.0, 0.25, 0.5, 0.75, 1.0]),
            (7.3, vec![0.0, 2.0, 4.0, 6.0, 8.0]),
            (100.0, vec![0.0, 25.0, 50.0, 75.0, 100.0]),
            (1234.0, vec![0.0, 500.0, 1000.0, 1500.0]),
        ] {
            assert_eq!(ticks(most), expected);
        }
    }

    #[test]
    fn numbers_are_short() {
        let told = [0.0, 0.0123, 0.5, 2.5, 12.34, 1234.5].map(number);
        assert_eq!(told, ["0", "0.012", "0.5", "2.5", "12.3", "1234"]);
    }

    #[test]
    fn a_line_is_interrupted_where_nothing_was_measured() {
        let values = vec![Some(1.0), Some(2.0), None, Some(3.0)];
        let line = Line { name: "a", colour: "c1", values };
        assert_eq!(path(&line, |x| x, |y| y), "M0.0 1.0L1.0 2.0M3.0 3.0");
    }

    #[test]
    fn heat_rises() {
        let light = |share: f64| {
            let text = heat(share);
            (1..7)
                .step_by(2)
                .map(|at| u32::from_str_radix(&text[at..at + 2], 16).unwrap())
                .sum::<u32>()
        };
        assert!(
            (0..16).all(|step| light(f64::from(step) / 16.0) < light(f64::from(step + 1) / 16.0))
        );
    }
}
