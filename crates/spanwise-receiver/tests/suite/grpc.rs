//! gRPC over plain HTTP/2, without a gRPC library.

use crate::support;

use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;
use spanwise_receiver::{Answer, Limits, Protocol, Receiver};
use support::*;

#[tokio::test]
async fn a_unary_call_delivers_its_message() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let mut client = Http2::connect(&receiver).await;
    let mut sent = Vec::new();
    for (spans, name) in [(0, ""), (1, "a"), (700, "b"), (60_000, "a longer name of a span")] {
        let (request, bytes) = request(spans, name);
        let answer = client.export(&bytes).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.headers["content-type"], "application/grpc");
        assert_eq!(answer.trailers["grpc-status"], "0");
        assert_eq!(answer.message(), ExportTraceServiceResponse::default().encode_to_vec());
        sent.push(request);
    }
    let received: Vec<_> = collected
        .bodies()
        .into_iter()
        .map(|body| ExportTraceServiceRequest::decode(body).unwrap())
        .collect();
    assert_eq!(received, sent);
}

#[tokio::test]
async fn the_compressed_flag_decides_whether_a_message_is_decompressed() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let mut client = Http2::connect(&receiver).await;
    let (_, bytes) = request(1000, "again and again");
    let packed = framed(1, &gzip(&bytes));
    let plain = framed(0, &bytes);
    let table = [
        (&packed, Some("gzip"), "0"),
        (&packed, Some("GZIP"), "0"),
        (&plain, Some(""), "0"),
        (&plain, Some("gzip"), "0"),
        (&plain, Some("identity"), "0"),
        (&plain, Some("br"), "0"),
        (&packed, Some("br"), "12"),
        (&packed, Some("identity"), "3"),
        (&packed, None, "3"),
    ];
    for (body, encoding, status) in table {
        let mut request = grpc(body.clone());
        if let Some(encoding) = encoding {
            request = request.header("grpc-encoding", encoding);
        }
        let answer = client.send(request.body_of()).await;
        assert_eq!(answer.grpc("grpc-status"), Some(status), "{encoding:?}");
        let accepted = if cfg!(feature = "zstd") { "gzip,zstd,identity" } else { "gzip,identity" };
        assert_eq!(answer.headers["grpc-accept-encoding"], accepted);
    }
    assert_eq!(collected.bodies(), [&bytes[..]; 6]);
}

#[tokio::test]
async fn requests_that_are_no_exports_have_their_status() {
    let receiver = Receiver::builder().start().unwrap();
    let mut client = Http2::connect(&receiver).await;
    let (_, bytes) = request(2, "name");
    let table: Vec<(&str, Vec<u8>, &str)> = vec![
        (EXPORT, framed(0, &bytes), "0"),
        (EXPORT, framed(0, &bytes[..bytes.len() - 1]), "3"),
        (EXPORT, framed(0, b"\xff\xff\xff"), "3"),
        (EXPORT, framed(1, &bytes), "3"),
        (EXPORT, framed(2, &bytes), "3"),
        (EXPORT, framed(0, &bytes)[..20].to_vec(), "3"),
        (EXPORT, [framed(0, &bytes), framed(0, &bytes)].concat(), "3"),
        (EXPORT, Vec::new(), "3"),
        (EXPORT, b"\0\0".to_vec(), "3"),
        ("/opentelemetry.proto.collector.trace.v1.TraceService/Other", framed(0, &bytes), "12"),
        (
            "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            framed(0, &bytes),
            "12",
        ),
        ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Vec::new(), "12"),
    ];
    for (path, body, status) in table {
        let request = draft("POST", path, body).header("content-type", "application/grpc+proto");
        let answer = client.send(request.body_of()).await;
        // The HTTP status of a gRPC error is 200.
        assert_eq!(answer.status, 200);
        assert_eq!(answer.grpc("grpc-status"), Some(status), "{path}");
        assert_eq!(answer.grpc("grpc-message").is_some(), status != "0");
        assert_eq!(answer.grpc("grpc-status-details-bin"), None);
    }
    let stats = receiver.stats();
    assert_eq!((stats.requests, stats.rejected_requests, stats.spans), (12, 11, 2));
}

#[tokio::test]
async fn the_answer_of_the_handler_is_sent() {
    let receiver = Receiver::builder()
        .with_handler(|export| {
            assert_eq!(export.protocol, Protocol::Grpc);
            match export.spans {
                1 => Answer::Partial { rejected: 1, message: "bad é".into() },
                2 => Answer::Refuse {
                    http_status: 503,
                    grpc_code: 14,
                    message: "50% é".into(),
                    retry_after: Some(Duration::from_millis(1500)),
                },
                _ => Answer::Accept,
            }
        })
        .start()
        .unwrap();
    let mut client = Http2::connect(&receiver).await;

    let answer = client.export(&request(1, "x").1).await;
    assert_eq!(answer.grpc("grpc-status"), Some("0"));
    let response = ExportTraceServiceResponse::decode(answer.message()).unwrap();
    let partial = response.partial_success.unwrap();
    assert_eq!((partial.rejected_spans, &*partial.error_message), (1, "bad é"));

    let answer = client.export(&request(2, "x").1).await;
    assert_eq!(answer.grpc("grpc-status"), Some("14"));
    assert_eq!(answer.grpc("grpc-message"), Some("50%25 %C3%A9"));
    let details = unbase64(answer.grpc("grpc-status-details-bin").unwrap());
    let status = RpcStatus::decode(&*details).unwrap();
    assert_eq!((status.code, &*status.message), (14, "50% é"));
    assert_eq!(status.details.len(), 1);
    assert_eq!(status.details[0].type_url, "type.googleapis.com/google.rpc.RetryInfo");
    // RetryInfo { retry_delay { seconds: 1, nanos: 500_000_000 } }
    assert_eq!(status.details[0].value, b"\x0a\x08\x08\x01\x10\x80\xca\xb5\xee\x01");
}

#[tokio::test]
async fn an_overload_has_a_retry_delay_and_a_large_request_has_none() {
    let limits = Limits::default().with_body_bytes(10_000).with_memory_bytes(12_000);
    let receiver = Receiver::builder().with_limits(limits).start().unwrap();
    let mut client = Http2::connect(&receiver).await;

    let answer = client.export(&request(1000, "0123456789").1).await;
    assert_eq!(answer.grpc("grpc-status"), Some("8"));
    assert_eq!(answer.grpc("grpc-status-details-bin"), None);

    // Small when compressed, too large when decompressed.
    let zipped = |spans| {
        let packed = gzip(&request(spans, "0123456789").1);
        assert!(packed.len() < 2_000);
        grpc(framed(1, &packed)).header("grpc-encoding", "gzip").body_of()
    };
    assert_eq!(client.send(zipped(400)).await.grpc("grpc-status"), Some("8"));

    let receiver = Receiver::builder().with_limits(Limits::default().with_memory_bytes(9_000));
    let receiver = receiver.start().unwrap();
    let mut client = Http2::connect(&receiver).await;
    assert_eq!(client.send(zipped(400)).await.grpc("grpc-status"), Some("14"));
    let answer = client.export(&request(400, "0123456789").1).await;
    assert_eq!(answer.grpc("grpc-status"), Some("14"));
    assert!(answer.grpc("grpc-status-details-bin").is_some());

    assert_eq!(client.export(&request(10, "x").1).await.grpc("grpc-status"), Some("0"));
    assert_eq!(receiver.stats().connections, 1);
    assert_eq!(receiver.stats().bytes_in_memory, 0);
}

#[tokio::test]
async fn streams_of_one_connection_do_not_wait_for_each_other() {
    let receiver = Receiver::builder()
        .with_handler(|export| match export.spans {
            1 => Answer::Accept.after(Duration::from_secs(3600)),
            _ => Answer::Accept,
        })
        .start()
        .unwrap();
    let mut client = Http2::connect(&receiver).await;
    let mut other = client.clone();
    let stuck = tokio::spawn(async move { other.export(&request(1, "x").1).await });
    for _ in 0..50 {
        assert_eq!(client.export(&request(2, "x").1).await.grpc("grpc-status"), Some("0"));
    }
    assert!(!stuck.is_finished());
    stuck.abort();
}

fn unbase64(text: &str) -> Vec<u8> {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits: Vec<u8> = text.chars().map(|c| ALPHABET.find(c).unwrap() as u8).collect();
    digits
        .chunks(4)
        .flat_map(|four| {
            let bits = four.iter().fold(0u32, |bits, &d| (bits << 6) | u32::from(d))
                << (6 * (4 - four.len()));
            bits.to_be_bytes()[1..four.len()].to_vec()
        })
        .collect()
}
