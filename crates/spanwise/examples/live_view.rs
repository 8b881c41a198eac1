//! A service with faults, and its live page: a steady load, a burst every half minute, a receiver that is slow, then refuses, then works.
//!
//! ```text
//! cargo run --example live_view --features admin -- --seconds 120 [--address 127.0.0.1:9464]
//! ```

use spanwise::admin::AdminEndpoint;
use spanwise::sampling::{Adaptive, ComposableSampler as _};
use spanwise::{SpanKind, Spanwise, Tracer};
use spanwise_receiver::{Answer, Receiver};
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (seconds, address) = arguments()?;
    let began = Instant::now();
    let receiver = Receiver::builder().with_handler(move |_| answer(began.elapsed())).start()?;
    let sampler = Adaptive::builder().with_traces_per_second(100.0).build()?;
    let spanwise = Spanwise::builder()
        .with_service_name("shop")
        .with_endpoint(receiver.http_endpoint())
        .with_sampler(sampler.parent_based())
        .with_budget_bytes(1 << 20)
        .with_export_timeout(Duration::from_secs(4))
        .build()?;
    let admin = AdminEndpoint::builder().with_address(address).build(&spanwise)?;
    println!("http://{}/debug/spanwise", admin.local_addr());

    let tracer = spanwise.tracer("shop");
    let until = began + Duration::from_secs(seconds);
    let mut number = 0_u64;
    while Instant::now() < until {
        let is_burst = began.elapsed().as_secs() % 30 >= 25;
        for _ in 0..if is_burst { 40 } else { 4 } {
            request(&tracer, number);
            number += 1;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    println!("{}", spanwise.shutdown()?);
    Ok(())
}

/// The receiver's answer at this time: a minute has 30 s of good answers, 15 s of slow ones and 15 s of refusals.
fn answer(elapsed: Duration) -> Answer {
    let quick = Duration::from_millis(3 + elapsed.as_millis() as u64 % 17);
    match elapsed.as_secs() % 60 {
        0..30 => Answer::Accept.after(quick),
        30..45 => Answer::Accept.after(Duration::from_millis(400)),
        _ => Answer::Refuse {
            http_status: 503,
            grpc_code: 14,
            message: "the storage is full".to_owned(),
            retry_after: None,
        },
    }
}

/// A request with a query of a database and a payment, whose spans have made-up times.
fn request(tracer: &Tracer, number: u64) {
    let routes = ["GET /products", "GET /products/{id}", "POST /checkout", "GET /cart"];
    let name = routes[[0, 0, 1, 0, 1, 3, 0, 2][number as usize % 8]];
    let mut root = tracer.root(name, SpanKind::Server);
    if !root.is_recording() {
        return root.finish();
    }
    pause(40 + number % 60);
    let mut query = tracer.child("SELECT shop.products", SpanKind::Client, root.context());
    query.attribute("db.system.name", "postgresql");
    pause(150 + number % 300);
    query.finish();
    let template = tracer.child("render", SpanKind::Internal, root.context());
    if name == "POST /checkout" {
        let mut payment = tracer.child("POST /payments", SpanKind::Client, template.context());
        pause(400);
        if number.is_multiple_of(3) {
            payment.error("the card is expired");
            root.error("the payment failed");
        }
        payment.finish();
    }
    pause(60);
    template.finish();
    root.finish();
}

fn pause(micros: u64) {
    std::thread::sleep(Duration::from_micros(micros));
}

/// The values of `--seconds`, 60 by default, and of `--address`.
fn arguments() -> Result<(u64, String), Box<dyn std::error::Error>> {
    let (mut seconds, mut address) = (60, "127.0.0.1:0".to_owned());
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().unwrap_or_default();
        match &*name {
            "--seconds" => seconds = value.parse()?,
            "--address" => address = value,
            _ => {
                return Err(format!(
                    "accepted are --seconds N and --address IP:PORT, not {name:?}"
                )
                .into());
            }
        }
    }
    Ok((seconds, address))
}
