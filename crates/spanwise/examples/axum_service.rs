//! An axum service whose `tracing` spans Spanwise exports.
//!
//! ```text
//! cargo run --example axum_service            # serves a hundred requests to itself
//! cargo run --example axum_service -- --serve # serves on 127.0.0.1:3000 until Ctrl-C
//! ```

use axum::extract::{Path, Request};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use tracing::Instrument as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let serve = std::env::args().any(|argument| argument == "--serve");
    let receiver = spanwise_receiver::Receiver::builder().start()?;
    let spanwise = spanwise::Spanwise::builder()
        .with_service_name("axum-service")
        .with_endpoint(receiver.http_endpoint())
        .init()?;
    tracing_subscriber::registry()
        .with(tracing_subscriber::filter::LevelFilter::INFO)
        .with(tracing_opentelemetry::layer().with_tracer(spanwise.tracer("axum-service")))
        .init();

    let app = Router::new().route("/users/{id}", get(user)).layer(middleware::from_fn(traced));
    let address = if serve { "127.0.0.1:3000" } else { "127.0.0.1:0" };
    let listener = tokio::net::TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    println!("listening on http://{address}/users/7");

    let server = std::future::IntoFuture::into_future(axum::serve(listener, app));
    if serve {
        server.await?;
    } else {
        let client =
            tokio::task::spawn_blocking(move || (0..100).try_for_each(|id| ask(address, id)));
        tokio::select! {
            done = client => done??,
            failed = server => failed?,
        }
    }

    let report = spanwise.shutdown()?;
    println!("{report}");
    println!("the receiver counted {} spans", receiver.stats().spans);
    Ok(())
}

/// Makes one server span for each request.
async fn traced(request: Request, next: Next) -> Response {
    let span = tracing::info_span!(
        "request",
        otel.kind = "server",
        http.request.method = %request.method(),
        url.path = request.uri().path(),
        http.response.status_code = tracing::field::Empty,
    );
    let response = next.run(request).instrument(span.clone()).await;
    span.record("http.response.status_code", response.status().as_u16());
    response
}

#[tracing::instrument]
async fn user(Path(id): Path<u64>) -> Json<String> {
    tracing::info!(id, "looked up");
    Json(format!("user {id}"))
}

/// A minimal HTTP client.
fn ask(address: SocketAddr, id: u32) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET /users/{id} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(())
}
