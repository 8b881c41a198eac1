//! Clients of the receiver on the level of HTTP.
#![allow(dead_code, clippy::unwrap_used)]

pub mod raw;
#[cfg(feature = "tls")]
pub mod tls;

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use spanwise_receiver::Receiver;
pub use spanwise_testkit::hostile::{EXPORT, TRACES, framed};
use tokio::net::TcpStream;

/// A response, read to its end.
#[derive(Debug)]
pub struct FullResponse {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub trailers: HeaderMap,
}

impl FullResponse {
    async fn read(response: Response<hyper::body::Incoming>) -> Self {
        let (head, body) = response.into_parts();
        let collected = body.collect().await.unwrap();
        let trailers = collected.trailers().cloned().unwrap_or_default();
        Self { status: head.status, headers: head.headers, body: collected.to_bytes(), trailers }
    }

    /// A gRPC trailer, or the header of a response without a message.
    pub fn grpc(&self, name: &str) -> Option<&str> {
        let value = self.trailers.get(name).or_else(|| self.headers.get(name))?;
        Some(value.to_str().unwrap())
    }

    /// The gRPC message without its prefix.
    pub fn message(&self) -> &[u8] {
        let (prefix, message) = self.body.split_at(5);
        assert_eq!(prefix[0], 0);
        assert_eq!(u32::from_be_bytes(prefix[1..].try_into().unwrap()) as usize, message.len());
        message
    }
}

pub struct Http1(http1::SendRequest<Full<Bytes>>);

impl Http1 {
    pub async fn connect(receiver: &Receiver) -> Self {
        let stream = TcpStream::connect(receiver.address()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self(sender)
    }

    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> FullResponse {
        self.try_send(request).await.unwrap()
    }

    pub async fn try_send(&mut self, request: Request<Full<Bytes>>) -> hyper::Result<FullResponse> {
        self.0.ready().await?;
        Ok(FullResponse::read(self.0.send_request(request).await?).await)
    }

    pub async fn post(&mut self, body: impl Into<Bytes>) -> FullResponse {
        self.send(post(body).body_of()).await
    }
}

#[derive(Clone)]
pub struct Http2(http2::SendRequest<Full<Bytes>>, String);

impl Http2 {
    pub async fn connect(receiver: &Receiver) -> Self {
        let stream = TcpStream::connect(receiver.address()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self(sender, receiver.http_endpoint())
    }

    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> FullResponse {
        self.try_send(request).await.unwrap()
    }

    pub async fn try_send(
        &mut self,
        mut request: Request<Full<Bytes>>,
    ) -> hyper::Result<FullResponse> {
        self.0.ready().await?;
        let uri = format!("{}{}", self.1, request.uri());
        *request.uri_mut() = uri.parse().unwrap();
        Ok(FullResponse::read(self.0.send_request(request).await?).await)
    }

    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    pub async fn export(&mut self, message: &[u8]) -> FullResponse {
        self.try_export(message).await.unwrap()
    }

    pub async fn try_export(&mut self, message: &[u8]) -> hyper::Result<FullResponse> {
        self.try_send(grpc(framed(0, message)).body_of()).await
    }
}

/// A request under construction.
pub struct Draft(http::request::Builder, Bytes);

impl Draft {
    pub fn header(self, name: &str, value: &str) -> Self {
        Self(self.0.header(name, value), self.1)
    }

    pub fn body_of(self) -> Request<Full<Bytes>> {
        self.0.body(Full::new(self.1)).unwrap()
    }
}

pub fn draft(method: &str, path: &str, body: impl Into<Bytes>) -> Draft {
    Draft(Request::builder().method(method).uri(path).header("host", "test"), body.into())
}

/// A complete HTTP export.
pub fn post(body: impl Into<Bytes>) -> Draft {
    draft("POST", TRACES, body).header("content-type", "application/x-protobuf")
}

/// A complete gRPC export; `body` has its prefix.
pub fn grpc(body: impl Into<Bytes>) -> Draft {
    draft("POST", EXPORT, body).header("content-type", "application/grpc").header("te", "trailers")
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A request of `spans` spans, `name` in each, and its bytes.
pub fn request(spans: usize, name: &str) -> (ExportTraceServiceRequest, Vec<u8>) {
    let span =
        Span { trace_id: vec![1; 16], span_id: vec![2; 8], name: name.into(), ..Span::default() };
    let scope = ScopeSpans { spans: vec![span; spans], ..ScopeSpans::default() };
    let group = ResourceSpans { scope_spans: vec![scope], ..ResourceSpans::default() };
    let request = ExportTraceServiceRequest { resource_spans: vec![group] };
    let bytes = request.encode_to_vec();
    (request, bytes)
}

/// Stops a thread, also when the test fails.
pub struct Stop<'a>(pub &'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// A google.rpc.Status, as defined in google/rpc/status.proto of googleapis.
#[derive(prost::Message)]
pub struct RpcStatus {
    #[prost(int32, tag = "1")]
    pub code: i32,
    #[prost(string, tag = "2")]
    pub message: String,
    #[prost(message, repeated, tag = "3")]
    pub details: Vec<RpcDetail>,
}

/// A google.protobuf.Any.
#[derive(prost::Message)]
pub struct RpcDetail {
    #[prost(string, tag = "1")]
    pub type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
}
