//! Bodies in OTLP/JSON, transcoded to protobuf for the handler.

use bytes::Bytes;
use spanwise_wire::json::{JsonError, JsonProblem, to_protobuf};
use tokio::task::spawn_blocking;

use crate::budget::Charge;
use crate::refusal::Refusal;

/// The protobuf of a request in JSON, of at most `limit` bytes.
///
/// Its memory is charged before it is allocated, once. A large body is transcoded on the thread of the
/// handler: the server's thread serves other clients meanwhile.
pub(crate) async fn transcode(
    json: Bytes,
    limit: usize,
    charge: &Charge,
) -> Result<Bytes, Refusal> {
    charge.grow(capacity(json.len())).await?;
    if json.len() <= INLINE {
        return run(&json, limit);
    }
    // The job outlives a client that closes, and its bytes stay charged.
    let job_charge = charge.split(0);
    job_charge.begin_response();
    let job = move || {
        let transcoded = run(&json, limit);
        drop(json);
        (transcoded, job_charge)
    };
    // A job does not panic, and runs unless the receiver shuts down.
    let (transcoded, job_charge) = spawn_blocking(job).await.map_err(|_| Refusal::Overloaded)?;
    charge.absorb(job_charge);
    transcoded
}

fn run(json: &[u8], limit: usize) -> Result<Bytes, Refusal> {
    let mut message = Vec::new();
    message.try_reserve_exact(capacity(json.len())).map_err(|_| Refusal::Overloaded)?;
    match to_protobuf(json, limit, &mut message) {
        Ok(()) => Ok(Bytes::from(message)),
        Err(JsonError { problem: JsonProblem::TooLarge { .. }, .. }) => {
            Err(Refusal::TooLarge { limit, len: None })
        }
        Err(error) => Err(Refusal::MalformedJson(error)),
    }
}

/// The maximum bytes of the protobuf of `len` bytes of JSON.
///
/// Every field is shorter than its name and value in JSON, except a string of 16 KiB or more in a list:
/// its length takes up to two bytes more than its quotes and its comma.
fn capacity(len: usize) -> usize {
    len.saturating_add(len / (4 << 10)).saturating_add(64)
}

/// Bytes that take the server's thread less than a millisecond.
const INLINE: usize = 128 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;

    async fn transcoded(json: &str, limit: usize, memory: usize) -> Result<Bytes, Refusal> {
        let budget = Budget::new(memory);
        let charge = Charge::request_of(&budget);
        let message = transcode(Bytes::from(json.to_owned()), limit, &charge).await;
        if message.is_ok() {
            assert_eq!(budget.used(), capacity(json.len()));
        }
        drop(charge);
        assert_eq!(budget.used(), 0);
        message
    }

    /// A request of one span with a name of `len` bytes.
    fn named(len: usize) -> String {
        let name = "x".repeat(len);
        format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"name":"{name}"}}]}}]}}]}}"#)
    }

    #[tokio::test]
    async fn bodies_within_the_limits_are_transcoded() {
        for len in [1, 1000, INLINE, 1 << 20] {
            let message = transcoded(&named(len), 2 << 20, 4 << 20).await.unwrap();
            assert!(message.len() > len && message.len() < len + 30);
            let limit = message.len();
            assert!(transcoded(&named(len), limit, 4 << 20).await.is_ok());
            let refused = transcoded(&named(len), limit - 1, 4 << 20).await;
            assert_eq!(refused, Err(Refusal::TooLarge { limit: limit - 1, len: None }));
            assert_eq!(transcoded(&named(len), limit, len).await, Err(Refusal::Overloaded));
        }
    }

    #[tokio::test]
    async fn malformed_json_is_rejected_with_its_position() {
        for len in [1, 1 << 20] {
            let json = named(len) + "]";
            let Err(Refusal::MalformedJson(error)) = transcoded(&json, 2 << 20, 4 << 20).await
            else {
                panic!("accepted")
            };
            assert_eq!(error.position, json.len() - 1);
        }
    }

    #[test]
    fn the_capacity_suffices_for_strings_in_a_list() {
        let keys = vec!["x".repeat(20_000); 50];
        let keys = format!("[\"{}\"]", keys.join("\",\""));
        let json = format!(
            r#"{{"resourceSpans":[{{"resource":{{"entityRefs":[{{"idKeys":{keys}}}]}}}}]}}"#
        );
        let mut message = Vec::with_capacity(capacity(json.len()));
        let reserved = message.capacity();
        to_protobuf(json.as_bytes(), usize::MAX, &mut message).unwrap();
        assert_eq!(message.capacity(), reserved);
    }
}
