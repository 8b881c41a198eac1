//! Two services of axum with `tracing`, each a process: `shop` calls `stock`, and the trace crosses.
//!
//! ```text
//! cargo run --example tracing_axum --features http,tracing-init
//! ```
//!
//! `shop` has a middleware of five lines, `stock` the `TraceLayer` of tower-http. Both log to the standard output with the ids of the
//! trace. The example checks the trace that a receiver gets.

#[path = "tracing_services/two_services.rs"]
mod two_services;

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Path, Request, State};
use axum::http::{StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use spanwise::tracing::http;
use spanwise_receiver::Receiver;
use std::error::Error;
use std::io::{Read as _, Write as _};
use std::time::Duration;
use tower_http::trace::TraceLayer;
use tracing::{Instrument as _, Span};

/// Runs both services and a client, or as the process of a service serves.
pub fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["stock"] => serve(stock()),
        ["shop", stock] => serve(shop(stock)),
        _ => run(),
    }
}

/// Starts the processes, sends one request, and checks the trace.
pub fn run() -> Result<(), Box<dyn Error>> {
    let (receiver, collected) = Receiver::collecting()?;
    let stock = two_services::Service::start("stock", None, &receiver)?;
    let shop = two_services::Service::start("shop", Some(&stock.address), &receiver)?;

    let mut client = std::net::TcpStream::connect(&shop.address)?;
    write!(client, "GET /orders/7 HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    client.read_to_string(&mut answer)?;
    println!("{:>10} | {}", "answer", answer.lines().last().unwrap_or_default());

    shop.stop()?;
    stock.stop()?;
    let trace = [
        ("shop", "GET /orders/{item}"),
        ("shop", "order"),
        ("shop", "GET"),
        ("stock", "GET /stock/{item}"),
        ("stock", "reserve"),
    ];
    two_services::check(&collected, &trace)
}

#[tokio::main(flavor = "current_thread")]
async fn serve(app: Router) -> Result<(), Box<dyn Error>> {
    let tracing = spanwise::tracing::builder().with_trace_ids(true).init()?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let stopped = two_services::listening(listener.local_addr()?);
    axum::serve(listener, app).with_graceful_shutdown(stopped).await?;
    println!("{}", tracing.shutdown()?);
    Ok(())
}

fn shop(stock: &str) -> Router {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let stock = Stock { client, address: stock.to_owned() };
    let app = Router::new().route("/orders/{item}", get(order)).with_state(stock);
    app.layer(middleware::from_fn(traced))
}

/// A span for each request, by a middleware.
async fn traced(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let span = http::server_span(&request, route.as_ref().map(MatchedPath::as_str));
    let response = next.run(request).instrument(span.clone()).await;
    http::set_server_status(&span, response.status());
    response
}

#[tracing::instrument(skip(stock))]
async fn order(State(stock): State<Stock>, Path(item): Path<u64>) -> Result<String, StatusCode> {
    let status = stock.reserve(item).await.map_err(|error| {
        tracing::error!(%error, "the stock does not answer");
        StatusCode::BAD_GATEWAY
    })?;
    tracing::info!(%status, "the stock has answered");
    Ok(format!("item {item}: {status}"))
}

/// A client of the other service.
#[derive(Clone)]
struct Stock {
    client: Client<HttpConnector, Body>,
    address: String,
}

impl Stock {
    async fn reserve(&self, item: u64) -> Result<StatusCode, Box<dyn Error>> {
        let uri: Uri = format!("http://{}/stock/{item}", self.address).parse()?;
        let mut request = Request::get(uri).body(Body::empty())?;
        let span = http::client_span(request.method(), request.uri());
        http::inject(&span, request.headers_mut());
        let answer = self.client.request(request).instrument(span.clone()).await;
        match &answer {
            Ok(response) => http::set_client_status(&span, response.status()),
            Err(error) => http::set_error(&span, error),
        }
        Ok(answer?.status())
    }
}

fn stock() -> Router {
    let spans = TraceLayer::new_for_http()
        .make_span_with(|request: &Request| {
            let route = request.extensions().get::<MatchedPath>();
            http::server_span(request, route.map(MatchedPath::as_str))
        })
        .on_response(|response: &Response, _: Duration, span: &Span| {
            http::set_server_status(span, response.status());
        });
    Router::new().route("/stock/{item}", get(reserve)).layer(spans)
}

#[tracing::instrument]
async fn reserve(Path(item): Path<u64>) -> String {
    tracing::info!("reserved");
    format!("item {item} is reserved")
}
