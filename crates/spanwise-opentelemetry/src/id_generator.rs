//! [`RandomIdGenerator`]: random ids for the SDK's builder.

use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::trace::IdGenerator;
use spanwise_worker::__private::Pcg;
use spanwise_worker::fork;
use std::cell::Cell;

/// An [`IdGenerator`] of random ids with a generator for each thread: PCG with 128 bits of state, seeded by
/// the operating system.
///
/// It never returns the invalid id of all zeros. A forked child seeds its own generators; with the SDK's
/// `RandomIdGenerator`, a child repeats the ids of its parent.
///
/// ```
/// use opentelemetry_sdk::trace::SdkTracerProvider;
/// use spanwise_opentelemetry::RandomIdGenerator;
///
/// let _provider =
///     SdkTracerProvider::builder().with_id_generator(RandomIdGenerator::default()).build();
/// ```
///
/// # Cost
/// A multiplication of 128 bits for each 64 random bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RandomIdGenerator;

impl IdGenerator for RandomIdGenerator {
    fn new_trace_id(&self) -> TraceId {
        with_generator(|generator| {
            let high = u128::from(generator.next()) << 64;
            TraceId::from(high | u128::from(generator.next_id()))
        })
    }

    fn new_span_id(&self) -> SpanId {
        with_generator(|generator| SpanId::from(generator.next_id()))
    }
}

/// The generator of a thread.
struct Generator {
    /// 0 before the first number.
    state: Cell<u128>,
    /// The process generation that the state was seeded in: a forked child seeds its own.
    seeded_in: Cell<u32>,
}

fn with_generator<T>(draw: impl FnOnce(&mut Pcg) -> T) -> T {
    GENERATOR.with(|this| {
        let mut generator = Pcg { state: this.state.get() };
        if generator.state == 0 || this.seeded_in.get() != fork::generation() {
            fork::watch();
            generator = Pcg::seeded();
            this.seeded_in.set(fork::generation());
        }
        let drawn = draw(&mut generator);
        this.state.set(generator.state);
        drawn
    })
}

thread_local! {
    // The type has no destructor, so a thread can generate ids until it ends.
    static GENERATOR: Generator =
        const { Generator { state: Cell::new(0), seeded_in: Cell::new(0) } };
}
