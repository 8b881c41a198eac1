//! Two services of tonic with `tracing`, each a process: `orders` calls `inventory`, and the trace crosses.
//!
//! ```text
//! cargo run --example tracing_tonic --features http,tracing-init
//! ```
//!
//! The messages are text, by a codec of a few lines, so that the example needs no protobuf. The recipe is `serve`, `traced` and
//! `call`; generated code takes the place of the rest. The example checks the trace that a receiver gets.

#[path = "tracing_services/two_services.rs"]
mod two_services;

use bytes::{Buf as _, BufMut as _};
use spanwise::tracing::{grpc, http};
use spanwise_receiver::Receiver;
use std::convert::Infallible;
use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::NamedService;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Server};
use tonic::{Request, Response, Status};
use tower_service::Service;
use tracing::{Instrument as _, Span};

/// Runs both services and a client, or as the process of a service serves.
pub fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["inventory"] => serve(None),
        ["orders", inventory] => serve(Some(format!("http://{inventory}"))),
        _ => run(),
    }
}

/// Starts the processes, makes one call, and checks the trace.
pub fn run() -> Result<(), Box<dyn Error>> {
    let (receiver, collected) = Receiver::collecting()?;
    let inventory = two_services::Service::start("inventory", None, &receiver)?;
    let orders = two_services::Service::start("orders", Some(&inventory.address), &receiver)?;

    println!("{:>10} | {}", "answer", ask(&orders.address)?);

    orders.stop()?;
    inventory.stop()?;
    let trace = [
        ("orders", "shop.Shop/Place"),
        ("orders", "place"),
        ("orders", "shop.Shop/Reserve"),
        ("inventory", "shop.Shop/Reserve"),
        ("inventory", "reserve"),
    ];
    two_services::check(&collected, &trace)
}

/// A client without spans.
#[tokio::main(flavor = "current_thread")]
async fn ask(address: &str) -> Result<String, Box<dyn Error>> {
    let channel = Channel::from_shared(format!("http://{address}"))?.connect().await?;
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await?;
    let request = Request::new("book".to_owned());
    Ok(client.unary(request, PLACE.parse()?, Text).await?.into_inner())
}

/// Serves calls: as the inventory, or as the orders that call an inventory.
#[tokio::main(flavor = "current_thread")]
async fn serve(inventory: Option<String>) -> Result<(), Box<dyn Error>> {
    let tracing = spanwise::tracing::builder().with_trace_ids(true).init()?;
    let inventory = match inventory {
        Some(inventory) => Some(Channel::from_shared(inventory)?.connect().await?),
        None => None,
    };
    let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into())?;
    let stopped = two_services::listening(incoming.local_addr()?);
    Server::builder()
        .trace_fn(grpc::server_span)
        .add_service(Shop { inventory })
        .serve_with_incoming_shutdown(incoming, stopped)
        .await?;
    println!("{}", tracing.shutdown()?);
    Ok(())
}

/// The status of an answer in the span of the call.
async fn traced<T>(answer: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    let answer = answer.await;
    let code = answer.as_ref().err().map_or(tonic::Code::Ok, Status::code);
    grpc::set_server_status(&Span::current(), code as i32);
    answer
}

/// Calls another service, with the span of a client.
async fn call(channel: Channel, path: &'static str, text: String) -> Result<String, Status> {
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let span = grpc::client_span(path);
    let mut request = Request::new(text);
    http::inject(&span, request.metadata_mut().as_mut());
    let path = ::http::uri::PathAndQuery::from_static(path);
    let answer = client.unary(request, path, Text).instrument(span.clone()).await;
    let code = answer.as_ref().err().map_or(tonic::Code::Ok, Status::code);
    grpc::set_client_status(&span, code as i32);
    Ok(answer?.into_inner())
}

#[tracing::instrument(skip(inventory))]
async fn place(item: String, inventory: Channel) -> Result<String, Status> {
    let reserved = call(inventory, RESERVE, item).await?;
    tracing::info!(reserved, "placed");
    Ok(format!("placed: {reserved}"))
}

#[tracing::instrument]
async fn reserve(item: String) -> Result<String, Status> {
    tracing::info!("reserved");
    Ok(format!("{item} is reserved"))
}

const PLACE: &str = "/shop.Shop/Place";
const RESERVE: &str = "/shop.Shop/Reserve";

/// The service, as code for a `.proto` file would be generated.
#[derive(Clone)]
struct Shop {
    inventory: Option<Channel>,
}

type BoxFuture<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

impl NamedService for Shop {
    const NAME: &'static str = "shop.Shop";
}

impl Service<::http::Request<Body>> for Shop {
    type Response = ::http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: ::http::Request<Body>) -> Self::Future {
        let method = Method(self.inventory.clone());
        Box::pin(async move { Ok(tonic::server::Grpc::new(Text).unary(method, request).await) })
    }
}

/// The method of a process.
struct Method(Option<Channel>);

impl tonic::server::UnaryService<String> for Method {
    type Response = String;
    type Future = BoxFuture<Response<String>, Status>;

    fn call(&mut self, request: Request<String>) -> Self::Future {
        let (inventory, item) = (self.0.clone(), request.into_inner());
        Box::pin(traced(async move {
            let text = match inventory {
                Some(inventory) => place(item, inventory).await,
                None => reserve(item).await,
            };
            text.map(Response::new)
        }))
    }
}

/// Messages as text.
#[derive(Clone, Copy)]
struct Text;

impl Codec for Text {
    type Encode = String;
    type Decode = String;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Text {
    type Item = String;
    type Error = Status;

    fn encode(&mut self, text: String, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put_slice(text.as_bytes());
        Ok(())
    }
}

impl Decoder for Text {
    type Item = String;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<String>, Status> {
        let text = from.copy_to_bytes(from.remaining()).to_vec();
        String::from_utf8(text).map(Some).map_err(|_| Status::internal("no text"))
    }
}
