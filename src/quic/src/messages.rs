//! The stream of session messages: the client's first bidirectional stream, framed like any other stream of RTP over
//! QUIC. It begins with the flow identifier [`FLOW_MESSAGES`]; then each message is preceded by its length.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use offhook_wire::cursor::Reader;
use offhook_wire::roq::{self, Varint, error};
use quinn::{Connection, ReadExactError, RecvStream, SendStream, VarInt};
use tokio::sync::mpsc;

use crate::FLOW_MESSAGES;
use crate::counters::{Count, Figures};
use crate::session::Code;

/// What the door wants written.
pub(crate) enum Outgoing {
    Message(Bytes),
    /// Close the connection once what was written before has arrived.
    Close(Code, &'static str),
}

/// How long the last message of a connection may take to arrive.
const FAREWELL: Duration = Duration::from_secs(1);

/// Read messages until the stream or the session ends. An error says what the client did wrong.
pub(crate) async fn read(
    mut stream: RecvStream,
    limit: usize,
    messages: mpsc::Sender<Bytes>,
    figures: &Figures,
) -> Result<(), Code> {
    match integer(&mut stream).await {
        Ok(Some(FLOW_MESSAGES)) => {}
        Ok(_) => return Err(Code(error::STREAM_CREATION_ERROR)),
        Err(code) => return Err(code),
    }
    while let Some(len) = integer(&mut stream).await? {
        let len = usize::try_from(len).ok().filter(|len| *len <= limit);
        let mut message = BytesMut::zeroed(len.ok_or(Code::MESSAGE_TOO_LONG)?);
        match stream.read_exact(&mut message).await {
            Ok(()) => {}
            Err(ReadExactError::FinishedEarly(_)) => return Err(Code(error::PACKET_ERROR)),
            Err(ReadExactError::ReadError(_)) => return Ok(()),
        }
        figures.count(Count::MessagesReceived);
        if messages.send(message.freeze()).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// The next integer; `None` at the end of the stream, or of the connection.
async fn integer(stream: &mut RecvStream) -> Result<Option<u64>, Code> {
    let mut bytes = [0; 8];
    let (first, rest) = bytes.split_at_mut(1);
    if stream.read_exact(first).await.is_err() {
        return Ok(None);
    }
    let len = roq::varint_len(first[0]);
    match stream.read_exact(&mut rest[..len - 1]).await {
        Ok(()) => {}
        Err(ReadExactError::FinishedEarly(_)) => return Err(Code(error::PACKET_ERROR)),
        Err(ReadExactError::ReadError(_)) => return Ok(None),
    }
    Ok(roq::varint(&mut Reader::new(&bytes[..len])).ok())
}

/// Write messages until the session closes the connection, or is dropped.
pub(crate) async fn write(
    mut stream: SendStream,
    connection: &Connection,
    mut outgoing: mpsc::Receiver<Outgoing>,
    figures: &Figures,
) {
    let (mut code, mut reason) = (Code(error::NO_ERROR), "");
    while let Some(next) = outgoing.recv().await {
        match next {
            Outgoing::Message(message) => {
                let Some(len) = Varint::new(message.len() as u64) else { continue };
                let written = async {
                    stream.write_all(len.as_bytes()).await?;
                    stream.write_chunk(message).await
                };
                if written.await.is_err() {
                    break;
                }
                figures.count(Count::MessagesSent);
            }
            Outgoing::Close(with, why) => {
                (code, reason) = (with, why);
                break;
            }
        }
    }
    if stream.finish().is_ok() {
        let _ = tokio::time::timeout(FAREWELL, stream.stopped()).await;
    }
    connection.close(VarInt::try_from(code.0).unwrap_or_default(), reason.as_bytes());
}
