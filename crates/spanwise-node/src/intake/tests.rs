//! Answers of a receiver on loopback for each answer of the stage behind it.

use super::*;
use crate::memory::Shares;
use crate::settings::{MemoryLimit, ReceiverSettings};
use spanwise_transport::{Endpoint, Failure, Outcome, Protocol, ResponseStatus, Transport};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

struct Refusing(Mutex<Option<Refusal>>);

impl Stage for Refusing {
    fn busy(&self) -> Option<Busy> {
        None
    }

    fn try_accept(&self, _: OwnedRequest) -> Result<(), Refusal> {
        self.0.lock().unwrap().map_or(Ok(()), Err)
    }
}

#[test]
fn each_refusal_of_a_stage_has_its_answer_and_leaves_nothing_charged() {
    let shares = Shares::new(MemoryLimit::Bytes(32 << 20), 1, None).unwrap();
    let memory = Memory::new(&shares);
    let intake = Arc::new(Intake::new(Processors::new(Vec::new()).unwrap(), memory.clone()));
    let stage = Arc::new(Refusing(Mutex::default()));
    let (of_intake, of_stage) = (Arc::clone(&intake), Arc::clone(&stage) as Arc<dyn Stage>);
    let entry = Arc::new(Entry::new(of_intake, of_stage, false, None));
    let settings = ReceiverSettings::new("receiver", SocketAddr::from(([127, 0, 0, 1], 0)));
    let receiver = listen(&settings, entry, &shares).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // resource_spans { scope_spans { spans {} } }
    let request = [0x0a, 4, 0x12, 2, 0x12, 0];
    let send = |protocol, refusal| {
        *stage.0.lock().unwrap() = refusal;
        let url = format!("http://{}", receiver.address());
        let endpoint = match protocol {
            Protocol::Grpc => Endpoint::parse_grpc("test", &url, true),
            _ => Endpoint::parse_base("test", &url),
        };
        let transport =
            Transport::builder().with_protocol(protocol).with_endpoint(endpoint.unwrap());
        let transport = transport.with_request_timeout(Duration::from_millis(900)).build().unwrap();
        runtime.block_on(transport.send(request.to_vec()))
    };
    for protocol in [Protocol::HttpProtobuf, Protocol::Grpc] {
        let before = intake.account();
        let large = send(protocol, Some(Refusal::TooLarge));
        assert_eq!(large.outcome, Outcome::Failed(Failure::TooLarge), "{large}");
        assert_eq!(large.attempts, 1);
        let malformed = send(protocol, Some(Refusal::Malformed));
        let status = match protocol {
            Protocol::Grpc => ResponseStatus::Grpc(INVALID_ARGUMENT.into()),
            _ => ResponseStatus::Http(400),
        };
        let rejected = Outcome::Failed(Failure::Rejected { status });
        assert_eq!(malformed.outcome, rejected, "{malformed}");
        let busy = send(protocol, Some(Refusal::Busy(Busy::Full)));
        assert!(matches!(busy.outcome, Outcome::Failed(Failure::RetryDeadline { last: Some(_) })));
        let after = intake.account();
        assert_eq!(after.refused_malformed - before.refused_malformed, 2);
        let refused = after.refused_overloaded - before.refused_overloaded;
        assert_eq!(refused, u64::from(busy.attempts), "{busy}");
        assert_eq!((after.accepted, memory.requests.charged()), (before.accepted, 0));
        assert!(send(protocol, None).is_accepted());
        assert_eq!(intake.account().accepted - before.accepted, 1);
    }
}
