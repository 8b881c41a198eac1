//! One exporter with three destinations: two collectors that share the spans by trace id, an archive that gets
//! all of them, and one that is down.
//!
//! `cargo run -p spanwise-export --example destinations`

use std::error::Error;
use std::time::Duration;

use spanwise_export::{Destination, Exporter};
use spanwise_receiver::Receiver;
use spanwise_transport::{Endpoint, RingVersion, Transport};
use spanwise_wire::write::{SpanHeader, SpanWriter};
use spanwise_wire::{SpanId, SpanLimits, SpanMeta, TraceId};

fn main() -> Result<(), Box<dyn Error>> {
    let (one, one_collected) = Receiver::collecting()?;
    let (two, two_collected) = Receiver::collecting()?;
    let (archive, archived) = Receiver::collecting()?;
    let to = |url: &str| -> Result<Transport, Box<dyn Error>> {
        let endpoint = Endpoint::parse_base("endpoint", url)?;
        let transport = Transport::builder().with_endpoint(endpoint);
        Ok(transport.with_request_timeout(Duration::from_secs(1)).build()?)
    };
    // The names decide which trace goes where, as in the configuration of the Collector.
    let collectors = [
        ("collector-1:4318", to(&one.http_endpoint())?),
        ("collector-2:4318", to(&two.http_endpoint())?),
    ];
    let exporter = Exporter::builder(Destination::routed_by_trace_id(RingVersion::V3, collectors)?)
        .with_destination(Destination::new(to(&archive.http_endpoint())?).with_name("archive"))
        .with_destination(Destination::new(to("http://127.0.0.1:1")?).with_name("down"))
        .build()?;

    let mut span = SpanWriter::new();
    for number in 1..=1_000 {
        span.begin(&SpanLimits::default(), "GET /orders");
        let (trace_id, span_id) = (TraceId(number), SpanId(1));
        let header = SpanHeader { trace_id, span_id, ..SpanHeader::default() };
        let meta = SpanMeta { trace_id, ..SpanMeta::default() };
        exporter.push(&span.finish(&header), meta);
    }
    exporter.shutdown_timeout(Duration::from_secs(5))?;
    println!("{} and {} spans at the collectors", one_collected.spans(), two_collected.spans());
    println!("{} spans in the archive", archived.spans());
    for (name, ledger) in exporter.destinations() {
        println!("\n{name}\n{}", ledger.snapshot());
        ledger.snapshot().check()?;
    }
    Ok(())
}
