//! The transport.

use crate::printed::{Printed, SECRET, echo, url, with_query};
use spanwise::transport::sans_io::RequestBody;
use spanwise::transport::{Endpoint, Fetcher, FramedRequest, Headers, Proxy, Transport};
use spanwise::{Compression, Protocol};
use std::time::Duration;

pub async fn a_transport_does_not_show_its_secrets(printed: &Printed) {
    let headers = Headers::parse(&format!("authorization={SECRET}")).unwrap();
    printed.debug("Headers", &headers);
    let peer = echo("HTTP/1.1 403 Forbidden\r\n");
    let address = peer.address().to_string();
    let endpoint =
        Endpoint::parse("setting", &with_query(&format!("{address}/v1/traces"))).unwrap();
    printed.error("Endpoint", &endpoint);
    let seen = printed.clone();
    let transport = Transport::builder()
        .with_endpoint(endpoint.clone())
        .with_headers(headers)
        .with_certificate_pem(SECRET)
        .with_request_timeout(Duration::from_millis(500))
        .with_attempt_observer(move |failed| seen.debug("FailedAttempt", failed));
    printed.debug("TransportBuilder", &transport);
    let probe = transport.clone().probe().await;
    probe.results().iter().for_each(|result| printed.debug("ProbeResult", result));
    printed.error("Probe", probe);
    printed.debug("BlockingTransport", transport.clone().build_blocking().unwrap());
    let transport = transport.build().unwrap();
    printed.debug("Transport", &transport);
    let request = || FramedRequest::from_message(&format!("\n\x0d{SECRET}").into_bytes());
    printed.debug("FramedRequest", request());
    printed.debug("RequestBody", RequestBody::new(&transport, request()).unwrap());
    let delivery = transport.send_with_cancel(request(), std::future::pending()).await;
    printed.debug("Delivery", &delivery);
    printed.debug("Outcome", &delivery.outcome);

    let document = Endpoint::parse("setting", &with_query(&address)).unwrap();
    let fetcher = Fetcher::new(document, Duration::from_secs(5), 1 << 20).unwrap();
    printed.debug("Fetcher", &fetcher);
    printed.error("FetchError", fetcher.get().await.unwrap_err());
    let closed = Endpoint::parse("setting", &with_query("127.0.0.1:1/")).unwrap();
    let fetcher = Fetcher::new(closed, Duration::from_secs(5), 1 << 20).unwrap();
    printed.error("FetchError", fetcher.get().await.unwrap_err());

    for bad in [url("h h/"), format!("h:{SECRET}@x?{SECRET}")] {
        printed.result("EndpointError", &Endpoint::parse("setting", &bad));
        printed.result("EndpointError", &Endpoint::parse_grpc("setting", &bad, true));
        printed.result("EndpointError", &Endpoint::parse_base("setting", &bad));
    }
    for bad in
        [format!("a b={SECRET}"), format!("a={SECRET}%"), format!("={SECRET}"), SECRET.into()]
    {
        printed.result("HeadersError", &Headers::parse(&bad));
    }
    for mistaken in [url("h:1/"), with_query("h/"), format!("{SECRET}@h")] {
        printed.result("UnknownProtocol", &mistaken.parse::<Protocol>());
        printed.result("UnknownCompression", &mistaken.parse::<Compression>());
    }
    let proxy = Proxy::parse("setting", &format!("http://{SECRET}:{SECRET}@127.0.0.1:1"));
    printed.result("Proxy", &proxy);
    let proxied = Transport::builder().with_proxy(proxy.unwrap()).build().unwrap();
    printed.debug("Observed", spanwise_transport::__private::observed(&proxied));
    for bad in [url("p:x"), format!("ftp://{SECRET}@p"), format!("{SECRET}:{SECRET}@p/x")] {
        printed.result("ProxyError", &Proxy::parse("setting", &bad));
    }
    let https = Endpoint::parse("setting", &with_query("h/").replace("http:", "https:")).unwrap();
    let to_https = || Transport::builder().with_endpoint(https.clone());
    for builder in [
        to_https().with_certificate_pem(SECRET),
        to_https().with_certificate_file(format!("-----BEGIN {SECRET}")),
        to_https().with_client_certificate_pem(SECRET, SECRET),
        to_https().with_client_certificate_files(format!("MII{SECRET}"), format!("MII{SECRET}")),
    ] {
        printed.debug("TransportBuilder", &builder);
        printed.error("BuildError", builder.build().unwrap_err());
    }
}
