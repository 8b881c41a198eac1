//! More spans than the receiver accepts in time: the ledger counts each lost span.
//!
//! ```text
//! cargo run --release --example overload
//! ```

use spanwise::{DropReason, SpanKind, Spanwise};
use spanwise_receiver::{Answer, Receiver};
use std::time::Duration;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A receiver that takes a fifth of a second for each request.
    let slow = |_| Answer::After(Duration::from_millis(200), Box::new(Answer::Accept));
    let receiver = Receiver::builder().with_handler(slow).start()?;
    let spanwise = Spanwise::builder()
        .with_service_name("overload")
        .with_endpoint(receiver.http_endpoint())
        .with_budget_bytes(4 << 20)
        .build()?;

    let tracer = spanwise.tracer("overload");
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let tracer = tracer.clone();
            std::thread::spawn(move || {
                for number in 0..250_000i64 {
                    let mut span = tracer.root("work", SpanKind::Internal);
                    span.attribute("thread", thread).attribute("number", number);
                    span.finish();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().map_err(|_| "a thread panicked")?;
    }

    let report = spanwise.shutdown_timeout(Duration::from_secs(20))?;
    println!("{report}");
    let ledger = report.ledger;
    let received = receiver.stats().spans;
    println!("the receiver counted {received} spans");
    assert_eq!(ledger.created, 1_000_000);
    assert_eq!(ledger.exported, received);
    assert_eq!(ledger.exported + ledger.dropped(DropReason::QueueBytes), ledger.created);
    println!("created = exported + dropped: every span is accounted for");
    Ok(())
}
