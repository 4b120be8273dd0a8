//! Which encodings a section sends, from the smallest picture to the largest.

use offhook_types::media::Layer;
use offhook_types::{Rid, Ssrc};
use offhook_wire::sdp::{Direction, GroupSemantics, RidLine, Section};

/// Conventional names of encodings, smallest first. Digits sort by value.
const CONVENTIONS: [&[&str]; 4] =
    [&["q", "h", "f"], &["l", "m", "h"], &["low", "mid", "high"], &["lo", "mid", "hi"]];

/// The encodings of a section that the peer sends in. Restriction identifiers count only when
/// their header extension was agreed, since nothing else tells the packets apart.
pub(super) fn of(section: &Section, rids_agreed: bool) -> Vec<Layer> {
    let rids = if rids_agreed { sent_rids(section) } else { Vec::new() };
    if !rids.is_empty() {
        let layer = |rid| Layer { rid: Some(rid), ..Layer::default() };
        return rids.into_iter().map(layer).collect();
    }
    let simulcast = section.groups.iter().find(|group| group.semantics == GroupSemantics::Sim);
    let ssrcs: Vec<Ssrc> = match simulcast {
        // Not in RFC 5576: libwebrtc lists the smallest first.
        Some(group) => group.ssrcs.clone(),
        None => primary(section).into_iter().collect(),
    };
    if ssrcs.is_empty() {
        return vec![Layer::default()];
    }
    let layer = |ssrc| Layer { ssrc: Some(ssrc), rtx: repair(section, ssrc), ..Layer::default() };
    ssrcs.into_iter().map(layer).collect()
}

/// Order layers as the door says and note what they are set to take; those it leaves out keep their order behind the
/// others. Layers that come in one stream take together what the largest is set to.
pub(super) fn arrange(layers: &mut [Layer], told: &[Layer]) {
    let named =
        |layer: &Layer| told.iter().position(|one| one.rid.is_some() && one.rid == layer.rid);
    layers.sort_by_key(|layer| named(layer).unwrap_or(usize::MAX));
    if let [only] = layers {
        only.rate = told.iter().map(|layer| layer.rate).max().unwrap_or(0);
    } else {
        layers.iter_mut().zip(told).for_each(|(layer, told)| layer.rate = told.rate);
    }
}

fn sent_rids(section: &Section) -> Vec<Rid> {
    let send = |line: &&RidLine| line.direction == Direction::SendOnly;
    let lines: Vec<&RidLine> = section.rids.iter().filter(send).collect();
    let listed: Vec<Rid> = match &section.simulcast {
        Some(simulcast) => {
            simulcast.send.iter().filter_map(|s| s.first()).map(|choice| choice.rid).collect()
        }
        None => lines.iter().map(|line| line.rid).collect(),
    };
    let mut rids: Vec<Rid> = Vec::new();
    for rid in listed {
        if !rids.contains(&rid) {
            rids.push(rid);
        }
    }
    let width = |rid: &Rid| lines.iter().find(|line| line.rid == *rid).and_then(|l| l.max_width);
    low_to_high(&mut rids, width);
    rids
}

/// Widths are facts, names are conventions; without either the order of the list stays.
fn low_to_high(rids: &mut [Rid], width: impl Fn(&Rid) -> Option<u32>) {
    if rids.iter().all(|rid| width(rid).is_some()) {
        return rids.sort_by_key(|rid| width(rid));
    }
    let digits = |rid: &Rid| rid.as_str().parse::<u32>().ok();
    if rids.iter().all(|rid| digits(rid).is_some()) {
        return rids.sort_by_key(digits);
    }
    let place = |names: &[&str], rid: &Rid| names.iter().position(|&name| name == rid.as_str());
    let known = |names: &&&[&str]| rids.iter().all(|rid| place(names, rid).is_some());
    if let Some(names) = CONVENTIONS.iter().find(known) {
        rids.sort_by_key(|rid| place(names, rid));
    }
}

/// The first source that does not repeat or protect another one.
fn primary(section: &Section) -> Option<Ssrc> {
    let secondary = |ssrc: Ssrc| {
        section.groups.iter().any(|group| group.ssrcs.iter().skip(1).any(|&member| member == ssrc))
    };
    section.sources.iter().map(|source| source.ssrc).find(|&ssrc| !secondary(ssrc))
}

fn repair(section: &Section, ssrc: Ssrc) -> Option<Ssrc> {
    let fid = section.groups.iter().filter(|group| group.semantics == GroupSemantics::Fid);
    fid.filter(|group| group.ssrcs.first() == Some(&ssrc))
        .find_map(|group| group.ssrcs.get(1).copied())
}
