//! Messages of the client protocol from a device, in both encodings.

use offhook_proto::client::{ClientMessage, RequestCodeRequest, VerifyCodeRequest};
use prost::Message;

/// What is read is written and read again as the same, in its own encoding and in the other.
pub fn message(data: &[u8]) {
    if let Ok(message) = ClientMessage::decode(data) {
        assert_eq!(ClientMessage::decode(&message.encode_to_vec()[..]).as_ref(), Ok(&message));
        in_json(&message);
    }
    if let Ok(message) = serde_json::from_slice::<ClientMessage>(data) {
        assert_eq!(ClientMessage::decode(&message.encode_to_vec()[..]).as_ref(), Ok(&message));
        in_json(&message);
    }
    // Bodies that strangers send before they have an account.
    let _ = RequestCodeRequest::decode(data);
    let _ = VerifyCodeRequest::decode(data);
    let _ = serde_json::from_slice::<RequestCodeRequest>(data);
    let _ = serde_json::from_slice::<VerifyCodeRequest>(data);
}

fn in_json(message: &ClientMessage) {
    // JSON names enum values, so it cannot write one that has no name.
    let Ok(json) = serde_json::to_vec(message) else { return };
    let again = serde_json::from_slice::<ClientMessage>(&json);
    assert_eq!(again.as_ref().ok(), Some(message));
}
