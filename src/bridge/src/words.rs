//! What the gateway tells a bridge and what it hears back.

use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;

use offhook_types::PayloadType;
use offhook_types::Ssrc;
use offhook_types::media::SrtpProfile;
use offhook_types::phone::{Digit, MasterKey, Relay};

/// The two sides of a bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The phone network.
    Carrier,
    /// The relay leg of the room.
    Room,
}

/// What a bridge is told. Anything may come in any order; what needs something that is not there
/// yet waits for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// What offer and answer agreed with the carrier. Replaces what was agreed before; media that
    /// goes on keeps its numbering. The count to [`Event::MediaLost`] starts anew, so repeat it at
    /// the answer.
    SetCarrier(Box<Carrier>),
    /// The room's relay leg stands.
    Connect(Box<Relay>),
    /// Which streams of the room the phone hears. Replaces what was said before; until then none.
    Hear(Vec<Ssrc>),
    /// Press keys toward the carrier: RFC 4733 where negotiated, tones in the sound otherwise.
    Press(Vec<Digit>),
    /// We hold the phone: it hears silence (or what is played to it) and the room does not hear it.
    /// What the far side wants is in [`Carrier::sends`] and [`Carrier::receives`].
    Hold(bool),
    /// Play a sound to one side, mixed with what is heard there. Replaces what is being played.
    Play(Play),
    /// Stop playing to one side.
    StopPlay(Side),
    /// Say goodbye (RTCP BYE) on both sides. Answered by [`Event::Closed`]; the bridge is then gone.
    Close,
}

/// What is agreed with the carrier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carrier {
    /// Where it wants RTP. An unspecified address (`0.0.0.0`) gets nothing.
    pub remote: SocketAddr,
    /// How RTCP travels.
    pub rtcp: RtcpPath,
    /// We may send sound (the far side said `sendrecv` or `recvonly`).
    pub sends: bool,
    /// It may send sound; silence is not a fault where it may not.
    pub receives: bool,
    /// In order of preference; the first is what we send, any of them is understood.
    pub formats: Vec<Format>,
    /// RFC 4733 events, if agreed.
    pub telephone_event: Option<Events>,
    /// RFC 3389 comfort noise, 8000 Hz; usually payload type 13.
    pub comfort_noise: Option<PayloadType>,
    /// Milliseconds of sound in each packet that we send; 10 to 60 in steps of 10, others are
    /// brought there.
    pub ptime_ms: u8,
    /// Keys from SDP (RFC 4568); `None` for plain RTP.
    pub srtp: Option<Sdes>,
    /// How the source of the carrier's packets is bound.
    pub latch: Latch,
    /// Listen for keys in the sound. For trunks without RFC 4733 only, since voices can be mistaken
    /// for keys.
    pub inband_digits: bool,
}

/// A codec under its payload types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// Which codec.
    pub codec: PhoneCodec,
    /// The payload type that we send it with.
    pub send: PayloadType,
    /// The payload type that it comes with.
    pub receive: PayloadType,
}

/// Telephone events under their payload types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Events {
    /// The payload type that we send them with.
    pub send: PayloadType,
    /// The payload type that they come with.
    pub receive: PayloadType,
    /// Hertz of their durations: that of the codec they accompany (RFC 4733 §2.1), 8000 or 48000.
    pub clock: u32,
}

/// What phones speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PhoneCodec {
    /// G.711 µ-law, 8 kHz.
    Pcmu,
    /// G.711 A-law, 8 kHz.
    Pcma,
    /// G.722 at 64 kbit/s, 16 kHz; its RTP clock runs at 8000 Hz (RFC 3551 §4.5.2).
    G722,
    /// Opus (RFC 7587), taken to and from 16 kHz.
    Opus,
}

/// How RTCP travels on the carrier's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RtcpPath {
    /// On the RTP port (RFC 5761).
    Mux,
    /// To this address: the one of `a=rtcp` (RFC 3605), or the RTP address with the port plus one.
    Separate(SocketAddr),
}

/// How the source of a carrier's packets is bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Latch {
    /// Only the signaled address and port; with SRTP, wherever authentic packets come from.
    #[default]
    Strict,
    /// The signaled address, any port (the carrier's side is behind NAT): the first consistent
    /// stream of packets binds the port for good.
    SignaledIp,
}

/// Keys of both directions from SDP (RFC 4568).
#[derive(Clone, PartialEq, Eq)]
pub struct Sdes {
    /// The crypto suite.
    pub profile: SrtpProfile,
    /// What we protect with.
    pub local: MasterKey,
    /// What the carrier protects with.
    pub remote: MasterKey,
}

impl fmt::Debug for Sdes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sdes").field("profile", &self.profile).finish_non_exhaustive()
    }
}

/// A sound to be played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Play {
    /// Who hears it.
    pub to: Side,
    /// What.
    pub sound: Sound,
    /// In the manner of this country (ISO 3166-1, two capital letters); unknown ones sound European.
    pub country: [u8; 2],
    /// How many times; zero until [`Order::StopPlay`]. Ringback to the room also ends when the
    /// carrier sends sound.
    pub times: u8,
}

/// What is played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sound {
    /// One cycle of a tone.
    Tone(Tone),
    /// A recording of the operator's, by its file's name without `.wav`.
    Announcement {
        /// Which.
        name: String,
        /// What is played where there is no such recording.
        otherwise: Tone,
    },
}

/// Call progress tones (ITU-T E.180).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tone {
    /// The far phone rings.
    Ringback,
    /// It is busy.
    Busy,
    /// The network is busy.
    Congestion,
    /// Another call waits.
    CallWaiting,
    /// The call will be cut off: two short beeps.
    Warning,
    /// The call cannot be completed: three rising tones (ITU-T E.180 special information tone).
    Refused,
}

/// What a bridge tells the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The first sound of this side came. From the carrier before the answer it is early media.
    FirstMedia {
        /// From where.
        from: Side,
    },
    /// Nothing came from this side for [`Options::media_timeout`], neither sound nor RTCP, although
    /// it may send. Said once per silence.
    MediaLost {
        /// From where.
        from: Side,
    },
    /// A key was pressed on the phone. Said when it is known which one, once per press.
    Digit {
        /// Which.
        digit: Digit,
    },
    /// A sound was played as often as was wanted.
    Played {
        /// To whom.
        to: Side,
    },
    /// Figures so far, each [`Options::evidence_interval`]: who crashes knows when media last came.
    Evidence(Box<Report>),
    /// The answer to [`Order::Close`], with the final figures.
    Closed(Box<Report>),
}

/// What came and how good it was, for the call detail record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Report {
    /// What came from the carrier.
    pub from_carrier: Figures,
    /// What came from the room.
    pub from_room: Figures,
    /// What we send to the carrier; `None` until agreed.
    pub sent_codec: Option<PhoneCodec>,
    /// What the carrier last sent.
    pub received_codec: Option<PhoneCodec>,
}

/// One direction. The sum over all streams that it had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Packets that came.
    pub received: u64,
    /// Packets missing by their numbers.
    pub lost: u64,
    /// Packets that came too late to be played.
    pub late: u64,
    /// Sound that was made up for what was missing, in milliseconds.
    pub concealed_ms: u64,
    /// Sound that was played, in milliseconds.
    pub played_ms: u64,
    /// Interarrival jitter (RFC 3550 §6.4.1) at the end, in microseconds.
    pub jitter_us: u32,
    /// Delay in the jitter buffer at the end, in milliseconds.
    pub buffered_ms: u32,
    /// Round trip to that side by its RTCP; zero when it says nothing.
    pub round_trip_us: u32,
    /// Packets that we sent to that side.
    pub sent: u64,
    /// Of those, what that side reports lost.
    pub sent_lost: u64,
    /// Their interarrival jitter there, in microseconds; `None` where that side makes no reports.
    pub sent_jitter_us: Option<u32>,
    /// Estimated mean opinion score in hundredths of what that side hears: no better than the worse half of its
    /// way, ours from the other side or onward by the reports; zero where it makes none.
    pub sent_mos: u16,
    /// Estimated mean opinion score in hundredths of what was heard (ITU-T G.107), 100 to 450; zero
    /// when nothing came.
    pub mos: u16,
    /// How long before this report the last packet with sound came; `None` if none ever did.
    pub silent_for: Option<Duration>,
}

/// How a bridge is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Silence of a side that may send is reported after this long.
    pub media_timeout: Duration,
    /// Time between [`Event::Evidence`].
    pub evidence_interval: Duration,
    /// Send nothing to the room, but an occasional frame, while the phone is silent.
    pub dtx: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            media_timeout: Duration::from_secs(30),
            evidence_interval: Duration::from_secs(10),
            dtx: false,
        }
    }
}

/// Where an open bridge listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// For the relay leg of the room ([`offhook_types::phone::Event::Bridge`]).
    pub relay: SocketAddr,
    /// For the carrier's RTP, as to be signaled. Its port is even; RTCP has the next one.
    pub carrier: SocketAddr,
}

/// Why no bridge was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The worker carries as many bridges as it may, or can at its load.
    #[error("too many bridges")]
    Busy,
    /// Every port pair of the range is taken, or the system gives no more sockets.
    #[error("no free ports")]
    NoPorts,
    /// A bridge of this phone leg stands already.
    #[error("the phone leg has a bridge")]
    Taken,
    /// The runtime has stopped.
    #[error("stopped")]
    Stopped,
}
