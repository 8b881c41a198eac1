//! The export engine, header carriers and zero-copy buffers.

use crate::printed::{LONG, Printed, SECRET, echo, with_query};
use spanwise::propagation::http::{HeaderExtractor, HeaderInjector};
use spanwise::transport::{Endpoint, FramedRequest, Headers, Transport};
use spanwise_export::sans_io::{Action, QueueAction};
use spanwise_export::{
    Destination, ExportEvent, Exporter, Observer, SpoolCommand, SpoolEvent, SpoolLosses,
    SpoolReport,
};
use spanwise_wire::write::{SpanHeader, SpanWriter, encode_resource, encode_scope};
use spanwise_wire::{SpanLimits, SpanMeta};
use std::time::Instant;

/// Prints an exporter's events.
struct PrintingObserver(Printed);

impl Observer for PrintingObserver {
    fn event(&mut self, event: ExportEvent) {
        self.0.debug("ExportEvent", event);
    }
}

pub fn an_exporter_does_not_show_its_secrets(printed: &Printed) {
    let peer = echo("HTTP/1.1 400 Bad Request\r\n");
    let url = with_query(&format!("{}/v1/traces", peer.address()));
    let builder = || {
        let transport = Transport::builder()
            .with_endpoint(Endpoint::parse("setting", &url).unwrap())
            .with_headers(Headers::parse(&format!("authorization={SECRET}")).unwrap())
            .with_certificate_pem(SECRET)
            .build();
        Exporter::builder(transport.unwrap())
            .with_resource(encode_resource([("token", SECRET)], SECRET))
            .with_observer(PrintingObserver(printed.clone()))
    };
    let scope = encode_scope(SECRET, SECRET, [("token", SECRET)], SECRET);
    let mut writer = SpanWriter::new();
    writer.begin(&SpanLimits::default(), SECRET);
    writer.attribute(&SpanLimits::default(), "token", SECRET);
    let header = SpanHeader::default();
    let span = writer.finish(&header);
    printed.debug("ExporterBuilder", builder());
    let endpoint = Endpoint::parse("setting", &url).unwrap();
    let transport = Transport::builder().with_endpoint(endpoint).build().unwrap();
    printed.debug("Destination", Destination::new(transport));
    printed.error("BuildError", builder().with_max_in_flight(0).build().unwrap_err());

    let exporter = builder().build().unwrap();
    exporter.scopes().index(&scope).unwrap();
    printed.debug("ScopeTable", exporter.scopes());
    exporter.push(&span, SpanMeta::default());
    printed.result("FlushError", &exporter.flush_until(Instant::now() + LONG));
    printed.result("FlushError", &exporter.shutdown_until(Instant::now() + LONG));
    printed.error("FlushError", exporter.flush_until(Instant::now()).unwrap_err());
    printed.debug("Exporter", &exporter);

    let exporter = builder().build().unwrap();
    let (dynamic, batch) = (exporter.transport(), exporter.batching().load());
    printed.debug("DynamicTransport", dynamic);
    let prepared = dynamic.prepare(dynamic.load().unwrap(), &batch).unwrap();
    printed.debug("PreparedTransport", &prepared);

    let (queue, prepared) = builder().prepare().unwrap();
    prepared.scopes().index(&scope).unwrap();
    printed.debug("PreparedExporter", &prepared);
    queue.ledger().started();
    queue.push(&span, SpanMeta::default());
    printed.debug("SpanQueue", &queue);
    let now = Instant::now();
    let request = FramedRequest::from_message(SECRET.as_bytes());
    printed.debug("SpoolCommand", SpoolCommand::Store { id: 1, request, spans: 1 });
    let buffer = SECRET.as_bytes().to_vec();
    printed.debug("SpoolCommand", SpoolCommand::Read { buffer: buffer.clone() });
    printed.debug("SpoolEvent", SpoolEvent::Record { buffer, spans: 1 });
    printed.debug("SpoolReport", SpoolReport::Lost(SpoolLosses::new(1, 2, 3)));
    let mut machine = prepared.into_machine(&queue, now);
    machine.flush(now + LONG);
    loop {
        printed.debug("ExportMachine", &machine);
        let action = machine.poll(now, queue.level());
        printed.debug("Action", &action);
        match action {
            Action::Queue(action) => {
                printed.debug("QueueAction", &action);
                let Some(drained) = queue.apply(action) else { continue };
                printed.debug("Drained", &drained);
                drained.chunks.iter().for_each(|chunk| printed.debug("DrainedChunk", chunk));
                machine.drained(drained);
            }
            Action::Send(id, request) => {
                drop(request);
                machine.request_ended(now, id, None);
            }
            Action::Reply(_) => break,
            Action::WaitUntil(_) | Action::Finish => panic!("the flush has no answer"),
            _ => {}
        }
    }
    printed.debug("QueueAction", QueueAction::DrainAll);
}

pub fn propagators_and_buffers_do_not_show_their_contents(printed: &Printed) {
    let mut headers = http::HeaderMap::new();
    headers.insert("authorization", SECRET.parse().unwrap());
    printed.debug("HeaderExtractor", HeaderExtractor(&headers));
    printed.debug("HeaderInjector", HeaderInjector(&mut headers));
    let mut chain = spanwise::zero_copy::BytesChain::default();
    chain.push(SECRET);
    printed.debug("BytesChain", chain);
    let not_utf8 = [SECRET.as_bytes(), b"\xff"].concat();
    let error = spanwise::zero_copy::ByteStr::try_from(spanwise::Bytes::from(not_utf8));
    printed.error("FromUtf8Error", error.unwrap_err());
}
