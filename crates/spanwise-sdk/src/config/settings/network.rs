//! Settings of the OTLP exporter and of its connections.

use super::rows;
use super::setting::{Setting, SettingType as Type, Support};

rows! {
    ENDPOINT = Setting::new(
        &["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"],
        Type::Url,
        "http://localhost:4318/v1/traces",
        "Sets the endpoint of requests.",
    )
    .in_code(&["with_endpoint", "with_sink", "with_transport"])
    .in_file(&[
        "tracer_provider.processors[0].*.exporter.*.endpoint",
        "tracer_provider.processors[0].*.exporter.*.output_stream",
        "tracer_provider.processors[0].*.exporter.*",
    ])
    .remark(
        "`http://…`, `https://…` or `unix:/path`; for OTLP/HTTP `/v1/traces` is appended to `OTEL_EXPORTER_OTLP_ENDPOINT`, \
         and without a path to the endpoint of code or file; the default for gRPC is `http://localhost:4317`",
    );
    PROTOCOL = Setting::new(
        &["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"],
        Type::Name(&["http/protobuf", "http/json", "grpc"]),
        "http/protobuf",
        "Selects the protocol of requests.",
    )
    .in_code(&["with_protocol"])
    .in_file(&[
        "tracer_provider.processors[0].*.exporter.*.encoding",
        "tracer_provider.processors[0].*.exporter.*",
    ])
    .remark("`grpc` needs the feature `grpc`");
    INSECURE = Setting::new(
        &["OTEL_EXPORTER_OTLP_TRACES_INSECURE", "OTEL_EXPORTER_OTLP_INSECURE"],
        Type::Boolean,
        "false",
        "Selects plain text for a gRPC endpoint without a scheme.",
    )
    .in_file(&["tracer_provider.processors[0].*.exporter.otlp_grpc.tls.insecure"]);
    HEADERS = Setting::new(
        &["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"],
        Type::Pairs,
        "none",
        "Adds headers to each request.",
    )
    .in_code(&["with_header"])
    .in_file(&[
        "tracer_provider.processors[0].*.exporter.*.headers",
        "tracer_provider.processors[0].*.exporter.*.headers_list",
    ])
    .remark("at most 16 KiB")
    .secret();
    COMPRESSION = Setting::new(
        &["OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION"],
        Type::Name(&["none", "gzip", "zstd"]),
        "none",
        "Selects the compression of requests.",
    )
    .in_code(&["with_compression"])
    .in_file(&["tracer_provider.processors[0].*.exporter.*.compression"])
    .remark("`zstd` needs the feature `zstd`");
    COMPRESSION_LEVEL = Setting::new(&[], Type::Code, "1", "Sets the level of the compression.")
        .in_code(&["with_compression_level"])
        .remark("1 to 9 for gzip, -7 to 9 for zstd");
    COMPRESSION_THRESHOLD = Setting::new(
        &[],
        Type::Integer { min: 0, max: 64 << 20, unit: "bytes" },
        "1024",
        "Sets the size below which requests are sent uncompressed.",
    )
    .in_code(&["with_compression_threshold"]);
    TIMEOUT = Setting::new(
        &["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"],
        Type::Timeout,
        "10000",
        "Limits one attempt to deliver a request.",
    )
    .in_code(&["with_attempt_timeout"])
    .in_file(&["tracer_provider.processors[0].*.exporter.*.timeout"]);
    CERTIFICATE = Setting::new(
        &["OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"],
        Type::Path,
        "none",
        "Names the certificates to trust for `https` instead of the built-in roots; a file that changes is read again.",
    )
    .in_code(&["with_certificate_file", "with_certificate_pem", "with_system_roots"])
    .in_file(&["tracer_provider.processors[0].*.exporter.*.tls.ca_file"])
    .remark("a PEM file of at most 1 MiB");
    CLIENT_CERTIFICATE = Setting::new(
        &["OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"],
        Type::Path,
        "none",
        "Names the certificate chain of the client for mutual TLS.",
    )
    .in_code(&["with_client_certificate_files", "with_client_certificate_pem"])
    .in_file(&["tracer_provider.processors[0].*.exporter.*.tls.cert_file"])
    .remark("a PEM file of at most 1 MiB, together with the key");
    CLIENT_KEY = Setting::new(
        &["OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "OTEL_EXPORTER_OTLP_CLIENT_KEY"],
        Type::Path,
        "none",
        "Names the private key of the client certificate.",
    )
    .in_code(&["with_client_certificate_files", "with_client_certificate_pem"])
    .in_file(&["tracer_provider.processors[0].*.exporter.*.tls.key_file"])
    .remark("a PEM file of at most 1 MiB, not encrypted, together with the certificate");
    CRYPTO_PROVIDER = Setting::new(
        &[],
        Type::Code,
        "Ring",
        "Selects the implementation of the cryptography of `https`.",
    )
    .in_code(&["with_crypto_provider"]);
    MAX_RESPONSE_BYTES = Setting::new(
        &[],
        Type::Integer { min: 1 << 10, max: 64 << 20, unit: "bytes" },
        "65536",
        "Limits the response of a receiver.",
    )
    .in_code(&["with_max_response_bytes"]);
    CIRCUIT_BREAKER = Setting::new(
        &[],
        Type::Code,
        "none",
        "Lets requests wait for one probe at a time after failed attempts in a row.",
    )
    .in_code(&["with_circuit_breaker"]);
    DESTINATION = Setting::new(
        &[],
        Type::Code,
        "none",
        "Adds a destination, which gets every span too.",
    )
    .in_code(&["with_destination"])
    .in_file(&["tracer_provider.processors[1]"]);
    HTTPS_PROXY = Setting::new(
        &["HTTPS_PROXY", "https_proxy"],
        Type::Url,
        "none",
        "Names the HTTP proxy for an `https` endpoint.",
    )
    .in_code(&["with_proxy"])
    .remark(PROXY);
    HTTP_PROXY = Setting::new(
        &["HTTP_PROXY", "http_proxy"],
        Type::Url,
        "none",
        "Names the HTTP proxy for an `http` endpoint.",
    )
    .in_code(&["with_proxy"])
    .remark(PROXY);
    NO_PROXY = Setting::new(
        &["NO_PROXY", "no_proxy"],
        Type::Text,
        "none",
        "Lists the hosts that are reached without a proxy.",
    )
    .remark("names and addresses with commas between them, or `*`");
    ALL_PROXY = {
        let mut setting = Setting::new(
            &["ALL_PROXY", "all_proxy"],
            Type::Url,
            "none",
            "The proxy of other programs for all protocols, usually a SOCKS proxy.",
        );
        setting.support = Support::WithoutEffect(
            "only HTTPS_PROXY and HTTP_PROXY name a proxy; requests go to the endpoint itself",
        );
        setting
    };
}

const PROXY: &str =
    "`http://[user:password@]host:port`, with the feature `proxy`; never for `localhost`";
