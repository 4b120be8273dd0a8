//! Offer and answer (RFC 3264).

use core::net::SocketAddr;

use super::{
    Crypto, Direction, Encoding, Format, Keys, Media, PhoneCodec, Protocol, Session, Suite,
};

/// Our end of the stream.
#[derive(Debug, Clone)]
pub struct Local {
    /// Names the session; the same in every description of a call.
    pub id: u64,
    /// One more than in our last description of the call.
    pub version: u64,
    /// Where we receive RTP; RTCP on the next port, or on the same if that is agreed.
    pub address: SocketAddr,
    /// What we want to do.
    pub direction: Direction,
    /// Keys for what we send, best suite first, at most one for each suite. Fresh for each call.
    pub keys: Vec<Crypto>,
}

/// What we like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefs {
    /// Codecs, best first.
    pub codecs: Vec<PhoneCodec>,
    /// Keys pressed go as events (RFC 4733).
    pub events: bool,
    /// Silence goes as comfort noise (RFC 3389).
    pub comfort_noise: bool,
    /// How much sound we want in a packet, in milliseconds.
    pub ptime_ms: u16,
    /// Whether packets are protected.
    pub protection: Protection,
    /// RTCP may share the port of RTP.
    pub rtcp_mux: bool,
}

/// Whether packets are protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// Never; a protected offer is refused.
    Never,
    /// Not in our offers, but when it is offered.
    IfOffered,
    /// Always; a plain offer is refused.
    Required,
}

/// What both sides agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreed {
    /// Which section carries it; the others are refused.
    pub section: usize,
    /// Where we send RTP; `None` while the other wants nothing (its address is zero).
    pub remote_rtp: Option<SocketAddr>,
    /// Where we send RTCP.
    pub remote_rtcp: Option<SocketAddr>,
    /// RTCP and RTP share a port, both ways.
    pub rtcp_mux: bool,
    /// What we send, and the number the other gave it.
    pub codec: PhoneCodec,
    /// With which payload type we send it.
    pub payload_type: u8,
    /// What may come, by our numbers.
    pub receives: Vec<(u8, PhoneCodec)>,
    /// Keys pressed, if they may go as events.
    pub events: Option<Events>,
    /// The payload type of comfort noise, if it may be sent and come.
    pub comfort_noise: Option<u8>,
    /// How much sound we put in a packet, in milliseconds: 10 to 60.
    pub ptime_ms: u16,
    /// Which way media flows, seen by us.
    pub direction: Direction,
    /// How packets are protected, if they are.
    pub keys: Option<Keys>,
}

/// Keys pressed as events (RFC 4733).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Events {
    /// The payload type that we send them with.
    pub send: u8,
    /// The payload type that they come with.
    pub receive: u8,
    /// Ticks of their clock in a second.
    pub clock: u32,
    /// Bit n: the other understands event n, of 0 to 15.
    pub understood: u16,
}

/// Why there is no agreement: 488, or the end of the call when an answer is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no audio over RTP, or the answer refused it.
    #[error("no audio stream")]
    NoAudio,
    /// There is no codec that both have.
    #[error("no common codec")]
    NoCodec,
    /// One wants its packets protected and the other does not, or no key can be used.
    #[error("no common protection")]
    NoProtection,
    /// The answer has another number of sections, or another protocol, than the offer.
    #[error("the answer does not fit the offer")]
    Mismatch,
}

/// Our offer.
pub fn offer(local: &Local, prefs: &Prefs) -> Session {
    let secure = prefs.protection == Protection::Required;
    let mut formats = prefs.codecs.iter().map(|&codec| own(codec)).collect::<Vec<_>>();
    let narrow = prefs.codecs.iter().any(|codec| codec.clock() == 8000);
    if prefs.comfort_noise && narrow {
        formats.push(plain(13, Encoding::ComfortNoise(8000)));
    }
    if prefs.events {
        if narrow {
            formats.push(keys_pressed(101, 8000));
        }
        if prefs.codecs.iter().any(|codec| codec.clock() == 48_000) {
            formats.push(keys_pressed(102, 48_000));
        }
    }
    let media = Media {
        kind: "audio".to_owned(),
        protocol: if secure { Protocol::Savp } else { Protocol::Avp },
        port: local.address.port(),
        address: Some(local.address.ip()),
        formats,
        other_formats: Vec::new(),
        direction: local.direction,
        ptime_ms: Some(prefs.ptime_ms),
        max_ptime_ms: None,
        crypto: if secure { local.keys.clone() } else { Vec::new() },
        rtcp: None,
        rtcp_mux: prefs.rtcp_mux,
    };
    session(local, vec![media])
}

/// Our answer to an offer: the first audio section that we can take, with the first codec in it that we
/// have, and a refusal of every other section.
pub fn answer(local: &Local, prefs: &Prefs, offer: &Session) -> Result<(Session, Agreed), Refused> {
    let mut refused = Refused::NoAudio;
    let taken = offer.media.iter().enumerate().find_map(|(section, theirs)| {
        let audio = theirs.kind == "audio" && theirs.port != 0 && theirs.protocol.is_rtp();
        if !audio {
            return None;
        }
        take(local, prefs, theirs).map_err(|why| refused = why).ok().map(|taken| (section, taken))
    });
    let (section, (ours, mut agreed)) = taken.ok_or(refused)?;
    agreed.section = section;
    let mut media = offer.media.iter().map(refusal).collect::<Vec<_>>();
    if let Some(slot) = media.get_mut(section) {
        *slot = ours;
    }
    Ok((session(local, media), agreed))
}

/// What follows from their answer to our offer.
pub fn accept(offer: &Session, answer: &Session) -> Result<Agreed, Refused> {
    if offer.media.len() != answer.media.len() {
        return Err(Refused::Mismatch);
    }
    let live = |(_, (ours, theirs)): &(usize, (&Media, &Media))| ours.port != 0 && theirs.port != 0;
    let pairs = offer.media.iter().zip(&answer.media);
    let (section, (ours, theirs)) = pairs.enumerate().find(live).ok_or(Refused::NoAudio)?;
    if ours.kind != theirs.kind || ours.protocol.is_secure() != theirs.protocol.is_secure() {
        return Err(Refused::Mismatch);
    }
    let codecs = |media: &Media| media.formats.iter().filter_map(codec).collect::<Vec<_>>();
    let offered = codecs(ours);
    let chosen = codecs(theirs).into_iter();
    let mut chosen = chosen.filter(|(_, codec)| offered.iter().any(|(_, had)| had == codec));
    let (payload_type, codec) = chosen.next().ok_or(Refused::NoCodec)?;
    let keys = match ours.protocol.is_secure() {
        false => None,
        true => {
            let [theirs] = theirs.crypto.as_slice() else { return Err(Refused::NoProtection) };
            let fits = |mine: &&Crypto| mine.tag == theirs.tag && mine.suite == theirs.suite;
            let mine = ours.crypto.iter().find(fits).ok_or(Refused::NoProtection)?;
            Some(keys(mine, theirs))
        }
    };
    let rtcp_mux = ours.rtcp_mux && theirs.rtcp_mux;
    let (remote_rtp, remote_rtcp) = remote(theirs, rtcp_mux);
    Ok(Agreed {
        section,
        remote_rtp,
        remote_rtcp,
        rtcp_mux,
        codec,
        payload_type,
        receives: offered,
        events: events(ours, theirs, codec),
        comfort_noise: comfort_noise(ours, codec).and(comfort_noise(theirs, codec)),
        ptime_ms: ptime(theirs, ours.ptime_ms.unwrap_or(DEFAULT_PTIME)),
        direction: meet(ours.direction, theirs.direction),
        keys,
    })
}

fn take(local: &Local, prefs: &Prefs, theirs: &Media) -> Result<(Media, Agreed), Refused> {
    let mut codecs = theirs.formats.iter().filter_map(codec);
    let common = codecs.find(|(_, codec)| prefs.codecs.contains(codec));
    let (payload_type, codec) = common.ok_or(Refused::NoCodec)?;
    let crypto = protection(local, prefs, theirs)?;
    let rtcp_mux = prefs.rtcp_mux && theirs.rtcp_mux;
    let direction = meet(local.direction, theirs.direction);
    let mut ours = refusal(theirs);
    ours.port = local.address.port();
    ours.address = Some(local.address.ip());
    ours.formats = vec![Format { payload_type, ..own(codec) }];
    if prefs.comfort_noise
        && let Some(number) = comfort_noise(theirs, codec)
    {
        ours.formats.push(plain(number, Encoding::ComfortNoise(8000)));
    }
    if prefs.events
        && let Some((number, clock, _)) = events_of(theirs, codec)
    {
        ours.formats.push(keys_pressed(number, clock));
    }
    let ptime_ms = ptime(theirs, prefs.ptime_ms);
    ours.ptime_ms = Some(ptime_ms);
    ours.direction = direction;
    ours.rtcp_mux = rtcp_mux;
    let keys = crypto.map(|(mine, theirs)| {
        let mine = Crypto { tag: theirs.tag, ..mine.clone() };
        ours.crypto = vec![mine.clone()];
        keys(&mine, theirs)
    });
    let (remote_rtp, remote_rtcp) = remote(theirs, rtcp_mux);
    let agreed = Agreed {
        section: 0,
        remote_rtp,
        remote_rtcp,
        rtcp_mux,
        codec,
        payload_type,
        receives: vec![(payload_type, codec)],
        events: events(&ours, theirs, codec),
        comfort_noise: comfort_noise(&ours, codec),
        ptime_ms,
        direction,
        keys,
    };
    Ok((ours, agreed))
}

/// Our key and theirs of the best suite that both have; `None` for plain packets.
fn protection<'a>(
    local: &'a Local,
    prefs: &Prefs,
    theirs: &'a Media,
) -> Result<Option<(&'a Crypto, &'a Crypto)>, Refused> {
    match (theirs.protocol.is_secure(), prefs.protection) {
        (false, Protection::Required) | (true, Protection::Never) => Err(Refused::NoProtection),
        (false, _) => Ok(None),
        (true, _) => {
            let pair = local.keys.iter().find_map(|mine| {
                let fits = |theirs: &&Crypto| theirs.suite == mine.suite;
                theirs.crypto.iter().find(fits).map(|theirs| (mine, theirs))
            });
            pair.map(Some).ok_or(Refused::NoProtection)
        }
    }
}

fn keys(mine: &Crypto, theirs: &Crypto) -> Keys {
    let suite: Suite = mine.suite;
    Keys { suite, local: mine.key.clone(), remote: theirs.key.clone() }
}

/// The section with port zero (RFC 3264 §6).
fn refusal(theirs: &Media) -> Media {
    Media {
        port: 0,
        address: None,
        direction: Direction::Inactive,
        ptime_ms: None,
        max_ptime_ms: None,
        crypto: Vec::new(),
        rtcp: None,
        rtcp_mux: false,
        ..theirs.clone()
    }
}

fn session(local: &Local, media: Vec<Media>) -> Session {
    Session { id: local.id, version: local.version, origin: local.address.ip(), media }
}

/// What we do, when this is what each side is willing to do.
fn meet(ours: Direction, theirs: Direction) -> Direction {
    Direction::new(ours.sends() && theirs.receives(), ours.receives() && theirs.sends())
}

fn remote(theirs: &Media, mux: bool) -> (Option<SocketAddr>, Option<SocketAddr>) {
    let address = theirs.address.filter(|address| !address.is_unspecified());
    let rtp = address.map(|address| SocketAddr::new(address, theirs.port));
    let next = rtp.and_then(|rtp| Some(SocketAddr::new(rtp.ip(), rtp.port().checked_add(1)?)));
    (rtp, if mux { rtp } else { theirs.rtcp.filter(|_| rtp.is_some()).or(next) })
}

fn own(codec: PhoneCodec) -> Format {
    let parameters = (codec == PhoneCodec::Opus).then(|| "useinbandfec=1".to_owned());
    let encoding = Encoding::Codec(codec);
    Format { payload_type: codec.payload_type(), encoding, parameters }
}

fn plain(payload_type: u8, encoding: Encoding) -> Format {
    Format { payload_type, encoding, parameters: None }
}

fn keys_pressed(payload_type: u8, clock: u32) -> Format {
    let parameters = Some("0-15".to_owned());
    Format { payload_type, encoding: Encoding::Events(clock), parameters }
}

fn codec(format: &Format) -> Option<(u8, PhoneCodec)> {
    match format.encoding {
        Encoding::Codec(codec) => Some((format.payload_type, codec)),
        _ => None,
    }
}

fn comfort_noise(media: &Media, codec: PhoneCodec) -> Option<u8> {
    // Opus has silence of its own, and G.722 none that anybody sends.
    let fits = matches!(codec, PhoneCodec::Pcmu | PhoneCodec::Pcma);
    let found = media.formats.iter().find(|f| f.encoding == Encoding::ComfortNoise(8000));
    found.filter(|_| fits).map(|format| format.payload_type)
}

/// Number, clock and understood events, at the clock of the codec if there is a choice (RFC 4733 §2.1).
fn events_of(media: &Media, codec: PhoneCodec) -> Option<(u8, u32, u16)> {
    let mut found = None;
    for format in &media.formats {
        let Encoding::Events(clock) = format.encoding else { continue };
        if found.is_none() || clock == codec.clock() {
            let understood = format.parameters.as_deref().map_or(u16::MAX, understood);
            found = Some((format.payload_type, clock, understood));
            if clock == codec.clock() {
                break;
            }
        }
    }
    found
}

fn events(ours: &Media, theirs: &Media, codec: PhoneCodec) -> Option<Events> {
    let (send, clock, understood) = events_of(theirs, codec)?;
    let at_clock = |format: &&Format| format.encoding == Encoding::Events(clock);
    let receive = ours.formats.iter().find(at_clock)?.payload_type;
    Some(Events { send, receive, clock, understood })
}

/// `0-11,16` as bits. What cannot be read counts as every key (RFC 4733 §2.4.1: the default is 0-15).
fn understood(parameters: &str) -> u16 {
    let mut bits = 0;
    for piece in parameters.split(',') {
        let (first, last) = piece.split_once('-').unwrap_or((piece, piece));
        let (Ok(first), Ok(last)) = (first.trim().parse::<u8>(), last.trim().parse::<u8>()) else {
            return u16::MAX;
        };
        for event in (first..=last).take_while(|event| *event < 16) {
            bits |= 1 << event;
        }
    }
    bits
}

/// What they want if we can do it, else what we want; never more than they take.
fn ptime(theirs: &Media, ours: u16) -> u16 {
    let wanted = theirs.ptime_ms.filter(|ptime| (10..=60).contains(ptime)).unwrap_or(ours);
    let most = theirs.max_ptime_ms.unwrap_or(60).clamp(10, 60);
    wanted.min(most).clamp(10, 60) / 10 * 10
}

/// RFC 3551 §4.2.
const DEFAULT_PTIME: u16 = 20;
