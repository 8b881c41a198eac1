//! The sizes of requests while more spans wait than fit into one.

use spanwise_export::Exporter;
use spanwise_testkit::{decode, spans};
use spanwise_transport::{Outcome, Transport};
use spanwise_wire::write::{SpanHeader, SpanWriter, encode_scope};
use spanwise_wire::{SpanId, SpanLimits, SpanMeta, TraceId, Value};
use std::collections::BTreeSet;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);
/// A timeout that a flush here always reaches.
const SHORT: Duration = Duration::from_millis(100);
const SPANS: u64 = 5000;

/// Requests in the order of their arrival. The first one waits for its response until the gate opens.
#[derive(Default)]
struct Requests {
    arrived: Mutex<Vec<Vec<u64>>>,
    open: Mutex<bool>,
    opened: Condvar,
}

impl Requests {
    fn receive(&self, body: &[u8]) {
        let request = decode(body);
        let ids = spans(&request).map(|span| {
            let id: [u8; 8] = span.span_id.as_slice().try_into().unwrap();
            u64::from_be_bytes(id)
        });
        self.arrived.lock().unwrap().push(ids.collect());
        drop(self.opened.wait_while(self.open.lock().unwrap(), |open| !*open).unwrap());
    }
}

/// Sends `SPANS` spans of two scopes, all of which are queued before a request may be sent, and returns the
/// ids of the spans of each request after the first.
fn requests(batch: usize, max_bytes: usize, value: &str) -> Vec<Vec<u64>> {
    let requests = Arc::new(Requests::default());
    let received = requests.clone();
    let sink = move |body: bytes::Bytes| {
        let received = received.clone();
        async move {
            // The sink may block: the request has a thread of its own.
            let receive = move || received.receive(&body);
            tokio::task::spawn_blocking(receive).await.unwrap();
            Outcome::Accepted { rejected: 0, message: None }
        }
    };
    let exporter = Exporter::builder(Transport::builder().with_sink(sink).build().unwrap())
        .with_max_export_batch_size(batch)
        .with_max_request_bytes(max_bytes)
        .with_max_in_flight(1)
        .build()
        .unwrap();
    let header = |name| encode_scope(name, "", [] as [(&str, Value<'_>); 0], "");
    let scopes = ["first", "second"].map(|name| exporter.scopes().index(&header(name)).unwrap());
    let mut writer = SpanWriter::new();
    let mut push = |id: u64| {
        writer.begin(&SpanLimits::default(), "span");
        writer.attribute(&SpanLimits::default(), "key", value);
        let span_id = SpanId(id);
        let header = SpanHeader { trace_id: TraceId(1), span_id, ..SpanHeader::default() };
        let meta =
            SpanMeta { span_id, scope: scopes[usize::from(id % 64 < 20)], ..SpanMeta::default() };
        exporter.push(&writer.finish(&header), meta);
    };
    push(SPANS + 1);
    let _in_flight = exporter.flush_timeout(SHORT);
    (1..=SPANS).for_each(&mut push);
    // All chunks are drained, and none of them can be sent.
    let _drained = exporter.flush_timeout(SHORT);
    *requests.open.lock().unwrap() = true;
    requests.opened.notify_all();
    exporter.flush_timeout(LONG).unwrap();
    exporter.snapshot().check().unwrap();
    let mut requests = requests.arrived.lock().unwrap().clone();
    assert_eq!(requests.remove(0), [SPANS + 1]);
    requests
}

/// The sizes of chunks are no multiple of the batch size.
#[test]
fn a_request_has_as_many_spans_as_the_batch_size_while_there_are_more() {
    for batch in [7, 100, 500, 1000, 1999] {
        let requests = requests(batch, 3_932_160, "a value");
        let (last, full) = requests.split_last().unwrap();
        assert!(full.iter().all(|ids| ids.len() == batch), "{batch}");
        assert!(last.len() <= batch);
        let all: BTreeSet<u64> = requests.concat().into_iter().collect();
        assert_eq!((all.len() as u64, requests.concat().len() as u64), (SPANS, SPANS));
    }
}

/// Requests that are full by bytes are as few as their limit allows, but for an eighth.
#[test]
fn a_request_is_filled_with_bytes_while_there_are_more() {
    let value = "v".repeat(400);
    let limit = 256 << 10;
    let requests = requests(1 << 20, limit, &value);
    let least_spans = limit * 3 / 4 / (value.len() + 60);
    let (_, full) = requests.split_last().unwrap();
    assert!(!full.is_empty());
    for ids in full {
        assert!(ids.len() >= least_spans, "{} spans, {least_spans} expected", ids.len());
    }
}
