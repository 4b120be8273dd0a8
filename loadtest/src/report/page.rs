//! The report as one page that needs nothing else: figures on cards, plots over time, every receiver, and the
//! scenario itself.

use std::fmt::Write as _;

use super::plot::{Line, Plot, escape, map, number, receiver};
use super::text::rows;
use super::{PathTotals, Person, Report, Second, Totals};

/// Receivers that get a picture of their own; more share a map.
const PICTURES: usize = 24;
/// Rows of the table of participants.
const ROWS: usize = 500;
const STYLE: &str = include_str!("page.css");

pub(super) fn page(report: &Report) -> String {
    let mut out = String::with_capacity(1 << 18);
    let name = escape(&report.scenario);
    let _ = write!(
        out,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{name}</title><style>{STYLE}</style></head><body><main>"
    );
    header(report, &mut out);
    write_cards(cards(&report.totals), &mut out);
    out.push_str("<h2>Over time</h2><div class=\"plots\">");
    for plot in plots(report) {
        out.push_str(&plot.figure(report.measured));
    }
    out.push_str("</div>");
    receivers(report, &mut out);
    figures(report, &mut out);
    if report.paths.len() > 1 {
        paths(&report.paths, &mut out);
    }
    participants(report, &mut out);
    let _ = write!(
        out,
        "<details><summary>The scenario's file</summary><pre>{}</pre></details></main></body></html>",
        escape(&report.file)
    );
    out
}

fn header(report: &Report, out: &mut String) {
    let broken = report.verdicts.iter().filter(|verdict| !verdict.holds).count();
    let (class, badge) = match (broken, report.verdicts.len()) {
        (0, 0) => ("good", "No bounds were set".to_owned()),
        (0, all) => ("good", format!("All {all} bounds hold")),
        (some, all) => ("bad", format!("{some} of {all} bounds broken")),
    };
    let [from, to] = report.measured;
    let _ = write!(
        out,
        "<header><div><h1>{}</h1><p class=\"about\">{}</p>\
         <p class=\"meta\">{} · seed {} · seconds {from} to {to} count · began {} UTC</p></div>\
         <span class=\"badge {class}\">{badge}</span></header>",
        escape(&report.scenario),
        escape(&report.about),
        escape(&report.server),
        report.seed,
        date(report.started_at),
    );
}

/// A figure, its unit, and a word about it.
struct Card {
    name: &'static str,
    value: Option<f64>,
    unit: &'static str,
    note: String,
}

fn cards(totals: &Totals) -> Vec<Card> {
    let quantile = |name, found: Option<super::Quantiles>| Card {
        name,
        value: found.map(|q| q.p50),
        unit: "ms",
        note: found.map_or(String::new(), |q| {
            format!("p99 {} · p99.9 {} ms", number(q.p99), number(q.p999))
        }),
    };
    let mut cards = vec![
        Card {
            name: "Joined",
            value: Some(totals.joined_share * f64::from(totals.participants)),
            unit: "",
            note: format!("of {} · {} visits", totals.participants, totals.joins),
        },
        quantile("First picture or sound, median", totals.first_ms),
        Card {
            name: "Lost after repair",
            value: totals.loss.map(|loss| loss * 100.0),
            unit: "%",
            note: format!("{} packets · {} repaired", totals.lost, totals.repaired),
        },
        quantile("Sender to receiver, median", totals.delay_ms),
        Card {
            name: "Received per receiver",
            value: totals.kbps_per_receiver,
            unit: "kbit/s",
            note: format!("{} packets in all", totals.forwarded),
        },
    ];
    cards.extend(picture_cards(totals));
    if totals.messages.sent > 0 {
        cards.push(quantile("Data message, median", totals.messages.delay_ms));
    }
    cards.extend(server_cards(totals));
    cards
}

fn picture_cards(totals: &Totals) -> Vec<Card> {
    let mut cards = Vec::new();
    if totals.fps.is_some() {
        cards.push(Card {
            name: "Frames per second and stream",
            value: totals.fps,
            unit: "",
            note: format!(
                "{} of {} whole frames shown",
                totals.frames_shown, totals.frames_complete
            ),
        });
        cards.push(Card {
            name: "Freezes per minute and stream",
            value: totals.freezes_per_minute,
            unit: "",
            note: format!(
                "{} in all, {} s · still {} % of the time",
                totals.freezes,
                number(totals.frozen_s),
                number(totals.frozen_share.unwrap_or(0.0) * 100.0)
            ),
        });
    }
    cards
}

fn server_cards(totals: &Totals) -> Vec<Card> {
    let mut cards = Vec::new();
    if totals.cpu_us_per_packet.is_some() {
        cards.push(Card {
            name: "Server CPU per forwarded packet",
            value: totals.cpu_us_per_packet,
            unit: "us",
            note: match totals.quic_us_per_packet {
                None => format!("{} cores", number(totals.cpu_cores.unwrap_or(0.0))),
                Some(us) => format!("of it {} us of QUIC for each packet over it", number(us)),
            },
        });
        cards.push(Card {
            name: "Server memory",
            value: totals.memory_mib,
            unit: "MiB",
            note: format!(
                "{} KiB more per participant",
                number(totals.memory_kib_per_participant.unwrap_or(0.0))
            ),
        });
    }
    cards
}

fn write_cards(cards: Vec<Card>, out: &mut String) {
    out.push_str("<dl class=\"cards\">");
    for card in cards {
        let value = card.value.map_or("–".into(), number);
        let _ = write!(
            out,
            "<div class=\"card\"><dt>{}</dt><dd>{value}<small>{}</small></dd><p>{}</p></div>",
            card.name, card.unit, card.note
        );
    }
    out.push_str("</dl>");
}

fn plots(report: &Report) -> Vec<Plot> {
    let line = |name, colour, value: &dyn Fn(&Second) -> Option<f64>| Line {
        name,
        colour,
        values: report.seconds.iter().map(value).collect(),
    };
    let mut plots = vec![
        Plot {
            title: "Payload",
            unit: "Mbit/s",
            lines: vec![
                line("sent", "c1", &|s| Some(s.sent_kbps / 1000.0)),
                line("received", "c2", &|s| Some(s.received_kbps / 1000.0)),
            ],
        },
        Plot {
            title: "Sender to receiver",
            unit: "ms",
            lines: vec![
                line("median", "c1", &|s| s.delay_p50_ms),
                line("99th percentile", "c3", &|s| s.delay_p99_ms),
            ],
        },
        Plot {
            title: "Missing and repaired packets",
            unit: "per second",
            lines: vec![
                line("lost", "c4", &|s| Some(s.lost.max(0) as f64)),
                line("repaired", "c2", &|s| Some(s.repaired as f64)),
            ],
        },
    ];
    if report.totals.fps.is_some() {
        let shown = |s: &Second| (s.streams > 0).then(|| s.shown as f64 / s.streams as f64);
        plots.push(Plot {
            title: "Frames shown per stream",
            unit: "per second",
            lines: vec![line("frames", "c1", &shown)],
        });
        plots.push(Plot {
            title: "Freezes and key frames",
            unit: "per second",
            lines: vec![
                line("freezes that ended", "c4", &|s| Some(s.freezes as f64)),
                line("key frames sent", "c1", &|s| Some(s.keys as f64)),
            ],
        });
    }
    plots.push(Plot {
        title: "Participants",
        unit: "",
        lines: vec![line("in", "c2", &|s| Some(f64::from(s.present)))],
    });
    if report.totals.cpu_cores.is_some() {
        plots.push(Plot {
            title: "Server CPU",
            unit: "cores",
            lines: vec![line("server", "c3", &|s| s.cores)],
        });
        plots.push(Plot {
            title: "Server memory",
            unit: "MiB",
            lines: vec![line("resident", "c1", &|s| s.memory_mib)],
        });
    }
    plots
}

fn receivers(report: &Report, out: &mut String) {
    let watch = |person: &&Person| person.kbps.iter().any(|kbps| *kbps > 0.0);
    let people: Vec<&Person> = report.participants.iter().filter(watch).collect();
    if people.is_empty() {
        return;
    }
    let kbps = people.iter().flat_map(|person| &person.kbps).copied();
    let most = f64::from(kbps.fold(1.0, f32::max));
    out.push_str("<h2>Receivers</h2>");
    if people.len() > PICTURES {
        let _ = write!(
            out,
            "<p class=\"legend\">A row for each of {}, from the first to come; bright is {} kbit/s</p>{}",
            people.len(),
            number(most),
            map(&people, most)
        );
        return;
    }
    let layers = people.iter().any(|person| person.layer.iter().any(|layer| *layer > 0.0));
    out.push_str("<p class=\"legend\">");
    let names = if layers { &["small picture", "middle", "large"][..] } else { &["pictures"][..] };
    for (nth, name) in names.iter().enumerate() {
        let _ = write!(out, "<span><i style=\"background:var(--layer{nth})\"></i>{name}</span>");
    }
    out.push_str(
        "<span><i style=\"background:var(--sound)\"></i>sound only</span>\
         <span><i class=\"stroke\"></i>frames shown</span>",
    );
    if people.iter().any(|person| person.estimate_kbps.iter().any(|kbps| *kbps > 0.0)) {
        out.push_str("<span><i class=\"stroke dashes\"></i>server's estimate</span>");
    }
    let _ = write!(out, "<span>height is {} kbit/s</span></p>", number(most));
    out.push_str("<div class=\"receivers\">");
    for person in people {
        out.push_str(&receiver(person, most, report.measured));
    }
    out.push_str("</div>");
}

fn figures(report: &Report, out: &mut String) {
    out.push_str("<h2>Figures</h2><div class=\"two\"><div class=\"sheet\"><table>");
    for (name, value) in rows(&report.totals) {
        let _ = write!(out, "<tr><th>{name}</th><td class=\"n\">{}</td></tr>", escape(&value));
    }
    out.push_str("</table></div><div>");
    if !report.verdicts.is_empty() {
        out.push_str(
            "<div class=\"sheet\"><table><tr><th>bound</th><th class=\"n\">wanted</th>\
             <th class=\"n\">found</th><th></th></tr>",
        );
        for verdict in &report.verdicts {
            let (class, word) = if verdict.holds { ("good", "holds") } else { ("bad", "broken") };
            let _ = write!(
                out,
                "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
                 <td class=\"n\"><span class=\"badge {class}\">{word}</span></td></tr>",
                verdict.bound.replace('_', " "),
                number(verdict.wanted),
                verdict.found.map_or("–".into(), number),
            );
        }
        out.push_str("</table></div>");
    }
    for (why, many) in &report.totals.failures {
        let _ = write!(out, "<p class=\"note\">{many} visits failed: {}</p>", escape(why));
    }
    out.push_str("</div></div>");
}

/// A row for each way in.
fn paths(paths: &[PathTotals], out: &mut String) {
    out.push_str("<h2>Ways in</h2><div class=\"sheet\"><table><tr><th>received over</th>");
    let names = [
        "receivers",
        "packets",
        "lost",
        "repaired",
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
        "first ms",
        "fps",
        "freezes",
        "kbit/s",
    ];
    for name in names {
        let _ = write!(out, "<th class=\"n\">{name}</th>");
    }
    out.push_str("</tr>");
    for path in paths {
        let _ = write!(out, "<tr><td>{}</td>", escape(&path.path));
        let numbers = [
            Some(f64::from(path.receivers)),
            Some(path.received as f64),
            Some(path.lost as f64),
            Some(path.repaired as f64),
            path.delay_ms.map(|q| q.p50),
            path.delay_ms.map(|q| q.p99),
            path.delay_ms.map(|q| q.p999),
            path.first_ms.map(|q| q.p50),
            path.fps,
            Some(path.freezes as f64),
            Some(path.kbps_per_receiver),
        ];
        cells(&numbers, out);
    }
    out.push_str("</table></div>");
}

/// The rest of a row.
fn cells(numbers: &[Option<f64>], out: &mut String) {
    for value in numbers {
        let _ = write!(out, "<td class=\"n\">{}</td>", value.map_or("–".into(), number));
    }
    out.push_str("</tr>");
}

fn participants(report: &Report, out: &mut String) {
    let some = report.participants.len().min(ROWS);
    let _ = write!(
        out,
        "<details><summary>{some} of {} participants</summary><div class=\"sheet\"><table><tr>\
         <th>who</th><th>room</th><th>path</th><th class=\"n\">visits</th><th class=\"n\">join ms</th>\
         <th class=\"n\">first ms</th><th class=\"n\">sent</th><th class=\"n\">received</th>\
         <th class=\"n\">lost</th><th class=\"n\">repaired</th><th class=\"n\">shown</th>\
         <th class=\"n\">freezes</th><th class=\"n\">p99 ms</th></tr>",
        report.participants.len()
    );
    for person in report.participants.iter().take(ROWS) {
        let [identity, room, path] =
            [&person.identity, &person.room, &person.path].map(|text| escape(text));
        let _ = write!(out, "<tr><td>{identity}</td><td>{room}</td><td>{path}</td>");
        let p99 = person.delay_ms.map(|[_, p99]| p99);
        let numbers = [
            Some(f64::from(person.joins)),
            person.join_ms,
            person.first_ms,
            Some(person.sent as f64),
            Some(person.received as f64),
            Some(person.lost as f64),
            Some(person.repaired as f64),
            Some(person.shown as f64),
            Some(person.freezes as f64),
            p99,
        ];
        cells(&numbers, out);
    }
    out.push_str("</table></div></details>");
}

/// Days since 1970 as a date (the calendar repeats every 400 years).
fn date(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Years begin in March here, so that the day which comes and goes is the last.
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let in_month = day - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = year + era * 400 + carry;
    format!("{year}-{month:02}-{in_month:02} {:02}:{:02}", rest / 3600, rest % 3600 / 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_the_calendars() {
        for (seconds, expected) in [
            (0, "1970-01-01 00:00"),
            (951_782_400 + 3660, "2000-02-29 01:01"),
            (1_709_164_800, "2024-02-29 00:00"),
            (1_764_115_199, "2025-11-25 23:59"),
        ] {
            assert_eq!(date(seconds), expected);
        }
    }

    #[test]
    fn a_page_names_nothing_outside_itself_and_escapes_what_others_wrote() {
        let report = Report {
            scenario: "<script>".into(),
            about: "a & b".into(),
            file: "x = \"<b>\"".into(),
            seed: 1,
            server: "http://127.0.0.1:1".into(),
            started_at: 0,
            measured: [0, 2],
            totals: Totals::default(),
            paths: vec![PathTotals { path: "<p>".into(), ..PathTotals::default() }; 2],
            verdicts: Vec::new(),
            seconds: vec![Second::default(); 3],
            participants: vec![Person { kbps: vec![1.0, 2.0], ..Person::default() }],
        };
        let page = page(&report);
        for outside in ["src=", "href=", "url(", "@import", "<script"] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert!(
            page.contains("&lt;script&gt;")
                && page.contains("&lt;p&gt;")
                && page.contains("a &amp; b")
        );
    }
}
