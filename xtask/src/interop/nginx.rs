//! nginx between Spanwise and a receiver: connections that end, limits, TLS.

use super::route::{Route, Security};
use super::setup::Setup;
use crate::peers::{
    Cache, Certificates, Counted, Report, Request, Running, Tool, compare, decoded, free_ports,
};
use spanwise_receiver::{Collected, Receiver};
use spanwise_testkit::FaultProxy;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

pub(super) fn run(setup: &Setup, report: &mut Report) -> Result<(), String> {
    if !report.wants_any(CASES.iter().map(|case| case.name.to_owned())) {
        return Ok(());
    }
    let program = match program(&setup.cache) {
        Ok(program) => program,
        Err(reason) => {
            CASES.iter().for_each(|case| report.skip(case.name, reason.trim_end()));
            return Ok(());
        }
    };
    report.version(version_of(&program));
    for case in CASES {
        report.case(case.name, || one(setup, &program, case));
    }
    Ok(())
}

/// A server of nginx, and how Spanwise sends to it.
struct Case {
    name: &'static str,
    protocol: &'static str,
    security: Security,
    /// Settings of the server.
    server: &'static str,
    /// Spans of a request.
    batch: &'static str,
    /// The fewest connections with which all spans can arrive.
    connections: u64,
}

const CASES: &[Case] = &[
    Case {
        // nginx ends a connection by GOAWAY after this number of requests.
        name: "nginx/goaway/grpc",
        protocol: "grpc",
        security: Security::Plain,
        server: "keepalive_requests 3;",
        batch: "8",
        connections: 9,
    },
    Case {
        name: "nginx/connection_close/http",
        protocol: "http/protobuf",
        security: Security::Plain,
        server: "keepalive_requests 3;",
        batch: "8",
        connections: 9,
    },
    Case {
        name: "nginx/one_stream/grpc",
        protocol: "grpc",
        security: Security::Plain,
        server: "http2_max_concurrent_streams 1;",
        batch: "8",
        connections: 1,
    },
    Case {
        name: "nginx/tls/grpc",
        protocol: "grpc",
        security: Security::Tls,
        server: "",
        batch: "64",
        connections: 1,
    },
    Case {
        name: "nginx/tls/http",
        protocol: "http/protobuf",
        security: Security::Tls,
        server: "",
        batch: "64",
        connections: 1,
    },
    Case {
        name: "nginx/mtls/grpc",
        protocol: "grpc",
        security: Security::Mtls,
        server: "",
        batch: "64",
        connections: 1,
    },
    Case {
        name: "nginx/mtls/http",
        protocol: "http/protobuf",
        security: Security::Mtls,
        server: "",
        batch: "64",
        connections: 1,
    },
    Case {
        name: "nginx/413/http",
        protocol: "http/protobuf",
        security: Security::Plain,
        server: "client_max_body_size 96k;",
        batch: "512",
        connections: 1,
    },
    Case {
        name: "nginx/413/grpc",
        protocol: "grpc",
        security: Security::Plain,
        server: "client_max_body_size 96k;",
        batch: "512",
        connections: 1,
    },
];

/// All spans arrive once, whatever the server does.
fn one(setup: &Setup, program: &Path, case: &Case) -> Result<String, String> {
    let (receiver, collected) = Receiver::collecting().map_err(|error| error.to_string())?;
    let [port] = free_ports()?;
    let folder = setup.scratch.path().join(case.name.replace('/', "-"));
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let config = folder.join("nginx.conf");
    let text = configuration(case, port, receiver.address(), &setup.certificates);
    fs::write(&config, text).map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command.arg("-p").arg(&folder).arg("-c").arg(&config);
    let mut nginx = Running::start("nginx", command)?;
    nginx.wait_for_ports(&[port], Duration::from_secs(10))?;
    let proxy = FaultProxy::start(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let proxy = proxy.map_err(|error| error.to_string())?;
    let route = Route { protocol: case.protocol, compression: "none", security: case.security };
    let mut variables = route.variables(proxy.address().port(), &setup.certificates);
    variables.insert("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", case.batch.to_owned());
    let (sent, reports) = setup.corpus.send_reporting(case.name, variables);
    let log = || format!("; {}\n{}", reports.join("; "), nginx.last_lines());
    let sent = sent.map_err(|problem| problem + &log())?;
    compare(&all(&collected)?, &sent.expected).map_err(|problem| problem + &log())?;
    let (requests, connections) = (collected.bodies().len(), proxy.traffic().connections);
    if connections < case.connections {
        return Err(format!("{requests} requests in {connections} connections: none was ended"));
    }
    let (requests, connections) =
        (Counted(requests, "request"), Counted(connections, "connection"));
    Ok(format!("{} spans in {requests}, {connections}", sent.spans))
}

fn all(collected: &Collected) -> Result<Request, String> {
    let mut all = Request::default();
    for body in collected.bodies() {
        all.resource_spans.extend(decoded(&body)?.resource_spans);
    }
    Ok(all)
}

/// The configuration of one server in front of `upstream`.
fn configuration(
    case: &Case,
    port: u16,
    upstream: SocketAddr,
    certificates: &Certificates,
) -> String {
    let is_grpc = case.protocol == "grpc";
    let mut listen = format!("127.0.0.1:{port}");
    let mut tls = String::new();
    if case.security != Security::Plain {
        let (certificate, key) = certificates.server();
        listen += " ssl";
        tls = format!("ssl_certificate {certificate}; ssl_certificate_key {key};");
    }
    if case.security == Security::Mtls {
        let authority = certificates.authority();
        tls += &format!(" ssl_client_certificate {authority}; ssl_verify_client on;");
    }
    let pass = match is_grpc {
        true => format!("grpc_pass grpc://{upstream};"),
        false => format!("proxy_pass http://{upstream};"),
    };
    let http2 = if is_grpc { " http2" } else { "" };
    let server = case.server;
    format!(
        "daemon off;
master_process off;
pid nginx.pid;
error_log stderr warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {{
        listen {listen}{http2};
        {tls}
        {server}
        location / {{ {pass} }}
    }}
}}
"
    )
}

/// nginx of this system, or of Debian's package, which is unpacked into the cache without an installation.
pub(crate) fn program(cache: &Cache) -> Result<PathBuf, String> {
    let installed = ["/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/local/bin/nginx"];
    if let Some(program) = installed.iter().map(PathBuf::from).find(|path| path.exists()) {
        return Ok(program);
    }
    let folder = cache.filled("nginx-of-the-system", |folder| {
        let download = Tool::new("apt-get", &["download", "nginx"], LIMIT);
        download.dir(folder).run(&folder.join("download.log"))?;
        let unpack = Tool::new("sh", &["-c", "dpkg-deb -x nginx_*.deb ."], LIMIT);
        unpack.dir(folder).run(&folder.join("unpack.log")).map(drop)
    })?;
    Ok(folder.join("usr/sbin/nginx"))
}

/// The answer of `nginx -v`.
pub(crate) fn version_of(program: &Path) -> String {
    let output = Command::new(program).arg("-v").stdin(Stdio::null()).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stderr).into_owned());
    let text = text.unwrap_or_default();
    text.trim().rsplit(": ").next().unwrap_or_default().replace('/', " ")
}

const LIMIT: Duration = Duration::from_secs(120);
