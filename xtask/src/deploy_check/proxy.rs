//! nginx of the pod: the metrics leave it, and nothing else.

use super::setup::{Setup, block, read};
use crate::interop::nginx;
use crate::peers::{Report, Running, free_ports};
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::Duration;

pub(super) fn run(setup: &Setup, report: &mut Report) -> Result<(), String> {
    let name = "proxy/metrics";
    match nginx::program(&setup.cache) {
        Err(reason) => report.skip(name, reason.trim_end()),
        Ok(program) => {
            report.version(nginx::version_of(&program));
            report.case(name, || check(setup, Command::new(program)));
        }
    }
    Ok(())
}

fn check(setup: &Setup, mut command: Command) -> Result<String, String> {
    let upstream = serve().map_err(|error| error.to_string())?;
    let [port] = free_ports()?;
    let folder = setup.scratch.path().join("nginx");
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let mut text = block(&read("kubernetes.yaml")?, "nginx.conf")?;
    for (of_the_pod, here) in [
        ("listen 9465;", format!("listen 127.0.0.1:{port};")),
        ("http://127.0.0.1:9464/", format!("http://{upstream}/")),
        ("/tmp/", format!("{}/", folder.display())),
    ] {
        if !text.contains(of_the_pod) {
            return Err(format!("the configuration has no {of_the_pod:?}"));
        }
        text = text.replace(of_the_pod, &here);
    }
    let config = folder.join("nginx.conf");
    fs::write(&config, text).map_err(|error| error.to_string())?;
    // As the image starts it.
    command.arg("-p").arg(&folder).arg("-c").arg(&config).args(["-g", "daemon off;"]);
    let mut running = Running::start("nginx", command)?;
    running.wait_for_ports(&[port], Duration::from_secs(10))?;

    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let get = |path: &str| get(address, path).map_err(|error| format!("{path}: {error}"));
    let metrics = get("/metrics")?;
    if !(metrics.starts_with("HTTP/1.1 200 ") && metrics.ends_with(BODY)) {
        return Err(format!("/metrics: {metrics}\n{}", running.last_lines()));
    }
    for path in HIDDEN {
        let answer = get(path)?;
        if !answer.starts_with("HTTP/1.1 404 ") {
            return Err(format!("{path}: {answer}"));
        }
    }
    running.stop()?;
    Ok(format!("{} other paths are refused", HIDDEN.len()))
}

fn get(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut connection = TcpStream::connect_timeout(&address, PATIENCE)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    // As Prometheus asks, by the address of the pod.
    write!(connection, "GET {path} HTTP/1.0\r\nHost: 10.1.2.3:9465\r\n\r\n")?;
    let mut answer = String::new();
    connection.take(1 << 20).read_to_string(&mut answer)?;
    Ok(answer)
}

/// In the place of `AdminEndpoint`: answers each path, if `Host` is an address of loopback.
fn serve() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let _next = answer(connection);
        }
    });
    Ok(address)
}

fn answer(mut connection: TcpStream) -> io::Result<()> {
    connection.set_read_timeout(Some(PATIENCE))?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < 8 << 10 {
        let mut byte = [0];
        connection.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let is_loopback = String::from_utf8_lossy(&head).to_lowercase().contains("\r\nhost: 127.0.0.1");
    let status = if is_loopback { "200 OK" } else { "403 Forbidden" };
    let length = BODY.len();
    write!(connection, "HTTP/1.0 {status}\r\nContent-Length: {length}\r\n\r\n{BODY}")
}

const BODY: &str = "otel_spans_created_total 1\n";
const HIDDEN: [&str; 5] = [
    "/",
    "/debug/spanwise",
    "/debug/spanwise.json",
    "/metrics/../debug/spanwise",
    "/debug/pprof/heap",
];
const PATIENCE: Duration = Duration::from_secs(5);
