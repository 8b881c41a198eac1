//! Head sampling: a ratio, a composite with a branch for each kind of parent, and a sampler that follows the load.
//!
//! ```text
//! cargo run --example samplers
//! ```

use spanwise::sampling::{Adaptive, ParentBased, Sampler};
use spanwise::{Snapshot, SpanKind, Spanwise};
use spanwise_receiver::Receiver;
use std::error::Error;
use std::time::{Duration, Instant};

const TRACES: u64 = 10_000;

/// A test runs it too.
pub fn main() -> Result<(), Box<dyn Error>> {
    // One trace in ten, and children as their parents.
    let ratio = run(Sampler::probability(0.1)?.parent_based())?;
    println!("ratio: {} of {} spans", ratio.exported, ratio.created);
    // The bounds are ten standard deviations away.
    assert!((1_400..2_600).contains(&ratio.exported), "{ratio}");
    assert_eq!(ratio.exported % 2, 0, "a trace was torn");

    // The composite has a sampler for each kind of parent. Its last branch samples one child in a hundred of
    // parents that are not sampled: spans without a parent, so that most programs leave it out.
    let composite = ParentBased::new(Sampler::probability(0.1)?)
        .with_remote_sampled(Sampler::always_on())
        .with_remote_not_sampled(Sampler::always_off())
        .with_local_sampled(Sampler::always_on())
        .with_local_not_sampled(Sampler::probability(0.01)?);
    let composite = run(Sampler::from(composite))?;
    println!("composite: {} of {} spans", composite.exported, composite.created);
    assert!((1_400..2_700).contains(&composite.exported), "{composite}");

    // A hundred traces per second under every load. At once it can sample a second's worth of them.
    let adaptive = Adaptive::builder().with_traces_per_second(100.0).build()?;
    let start = Instant::now();
    let followed = run(Sampler::from(adaptive.clone()))?;
    let limit = 100.0 + 1.15 * 100.0 * start.elapsed().as_secs_f64();
    println!("adaptive: {} of {} spans", followed.exported, followed.created);
    assert_eq!(adaptive.state().sampled * 2, followed.exported);
    assert!((1.0..=limit + 1.0).contains(&(followed.exported as f64 / 2.0)), "{followed}");
    Ok(())
}

/// Makes traces of two spans, and returns the account of all spans.
fn run(sampler: Sampler) -> Result<Snapshot, Box<dyn Error>> {
    let (receiver, collected) = Receiver::collecting()?;
    let builder = Spanwise::builder().with_endpoint(receiver.http_endpoint());
    let spanwise = builder.with_sampler(sampler).build()?;
    let tracer = spanwise.tracer("shop");
    for _ in 0..TRACES {
        let request = tracer.root("GET /orders", SpanKind::Server);
        tracer.child("SELECT", SpanKind::Client, request.context()).finish();
        request.finish();
    }
    let ledger = spanwise.shutdown_timeout(Duration::from_secs(20))?.ledger;
    assert_eq!((ledger.created, ledger.exported), (2 * TRACES, collected.spans()), "{ledger}");
    assert_eq!(ledger.sampled_out + ledger.exported, ledger.created, "{ledger}");
    Ok(ledger)
}
