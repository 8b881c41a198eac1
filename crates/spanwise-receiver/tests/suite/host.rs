//! The receiver does not affect the process it runs in.

use crate::support;

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use spanwise_receiver::{Answer, Limits, Receiver, StartError};
use spanwise_testkit::PanicOnDrop;
use support::raw::*;
use support::*;

const MOMENT: Duration = Duration::from_millis(200);

/// Exports one span on a new connection and returns the status line of the response.
fn export(receiver: &Receiver) -> String {
    let body = request(1, "x").1;
    let head = head(&format!("connection: close\r\ncontent-length: {}\r\n\r\n", body.len()));
    exchange(receiver, &[head.as_bytes(), &body].concat()).lines().next().unwrap_or("").to_owned()
}

#[test]
fn every_limit_is_checked_and_the_error_names_it() {
    let with = |limits: Limits| Receiver::builder().with_limits(limits).start();
    let default = Limits::default;
    let largest = usize::MAX.to_string();
    let largest = &*largest;
    let short = Duration::from_micros(999);
    let table = [
        (default().with_connections(0), "connections", "0"),
        (default().with_connections(65_537), "connections", "65537"),
        (default().with_connections(usize::MAX), "connections", largest),
        (default().with_concurrent_streams(0), "concurrent_streams", "0"),
        (default().with_concurrent_streams(u32::MAX), "concurrent_streams", "4294967295"),
        (default().with_header_bytes(1023), "header_bytes", "1023"),
        (default().with_header_bytes((128 << 10) + 1), "header_bytes", "131073"),
        (default().with_stream_window(0), "stream_window", "0"),
        (default().with_stream_window(1 << 31), "stream_window", "2147483648"),
        (default().with_connection_window(65_534), "connection_window", "65534"),
        (default().with_connection_window(1 << 31), "connection_window", "2147483648"),
        (default().with_frame_bytes((1 << 14) - 1), "frame_bytes", "16383"),
        (default().with_frame_bytes(1 << 24), "frame_bytes", "16777216"),
        (default().with_body_bytes(usize::MAX), "body_bytes", largest),
        (default().with_memory_bytes(usize::MAX), "memory_bytes", largest),
        (default().with_header_timeout(short), "header_timeout", "999µs"),
        (default().with_idle_timeout(Duration::ZERO), "idle_timeout", "0ns"),
        (default().with_ping_interval(short), "ping_interval", "999µs"),
        (default().with_ping_timeout(short), "ping_timeout", "999µs"),
        (default().with_body_window(short), "body_window", "999µs"),
    ];
    for (limits, name, written) in table {
        let error = with(limits).unwrap_err();
        let text = error.to_string();
        let StartError::Limit { limit, value, range } = error else { panic!("{text}") };
        assert_eq!((limit, &*value), (name, written));
        assert!(text.contains(name) && text.contains(written) && text.contains(&range), "{text}");
    }
}

#[test]
fn limits_at_the_ends_of_their_ranges_serve() {
    let least = Duration::from_millis(1);
    let small = Limits::default()
        .with_body_bytes(0)
        .with_memory_bytes(0)
        .with_connections(1)
        .with_concurrent_streams(1)
        .with_header_bytes(1 << 10)
        .with_stream_window(1)
        .with_connection_window(65_535)
        .with_frame_bytes(1 << 14)
        .with_body_rate(0)
        .with_shutdown_timeout(Duration::ZERO)
        .with_body_window(least)
        .with_ping_interval(least);
    let receiver = Receiver::builder().with_limits(small).start().unwrap();
    assert!(export(&receiver).contains("413"));
    receiver.shutdown();

    let most = usize::MAX >> 1;
    let large = Limits::default()
        .with_body_bytes(most)
        .with_memory_bytes(most)
        .with_connections(65_536)
        .with_concurrent_streams(65_536)
        .with_header_bytes(128 << 10)
        .with_stream_window((1 << 31) - 1)
        .with_connection_window((1 << 31) - 1)
        .with_frame_bytes((1 << 24) - 1)
        .with_header_timeout(Duration::MAX)
        .with_idle_timeout(Duration::MAX)
        .with_ping_interval(Duration::MAX)
        .with_ping_timeout(Duration::MAX)
        .with_body_window(Duration::MAX)
        .with_shutdown_timeout(Duration::MAX);
    let receiver = Receiver::builder().with_limits(large).start().unwrap();
    assert!(export(&receiver).contains("200"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut client = Http2::connect(&receiver).await;
        let answer = client.export(&request(1, "x").1).await;
        assert_eq!(answer.grpc("grpc-status"), Some("0"));
    });
    // The connection closes with its runtime; the shutdown timeout is only the longest wait.
    drop(runtime);
    receiver.shutdown();
}

#[test]
fn a_handler_that_panics_costs_one_request_even_if_its_payload_panics() {
    let receiver =
        Receiver::builder().with_handler(|_| std::panic::panic_any(PanicOnDrop)).start().unwrap();
    for _ in 0..5 {
        assert!(export(&receiver).contains("500"));
    }
    let stats = receiver.stats();
    assert_eq!((stats.requests, stats.rejected_requests, stats.bytes_in_memory), (5, 5, 0));
}

#[test]
fn a_handler_that_blocks_delays_no_deadline_and_no_new_connection() {
    let (release, blocked) = mpsc::channel::<()>();
    let (entered, inside) = mpsc::channel();
    let (blocked, entered) = (Mutex::new(blocked), Mutex::new(entered));
    let receiver = Receiver::builder()
        .with_limits(Limits::default().with_header_timeout(MOMENT))
        .with_handler(move |_| {
            entered.lock().unwrap().send(()).unwrap();
            _ = blocked.lock().unwrap().recv();
            Answer::Accept
        })
        .start()
        .unwrap();
    std::thread::scope(|scope| {
        let exporting = scope.spawn(|| export(&receiver));
        inside.recv_timeout(PATIENCE).unwrap();
        // Other connections are accepted, served and closed as usual.
        let nothing = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        assert!(exchange(&receiver, nothing).starts_with("HTTP/1.1 404"));
        assert_eq!(exchange(&receiver, head("x: ").as_bytes()), "");
        drop(release);
        assert!(exporting.join().unwrap().contains("200"));
    });
}

/// `Stats::spans` and `Stats::bytes` count the spans that the handler accepted.
#[test]
fn an_accepted_export_counts_after_its_client_has_closed() {
    let (release, blocked) = mpsc::channel::<()>();
    let (entered, inside) = mpsc::channel();
    let (blocked, entered) = (Mutex::new(blocked), Mutex::new(entered));
    let receiver = Receiver::builder()
        .with_handler(move |_| {
            entered.lock().unwrap().send(()).unwrap();
            _ = blocked.lock().unwrap().recv();
            Answer::Partial { rejected: 1, message: String::new() }
        })
        .start()
        .unwrap();
    let body = request(3, "x").1;
    let head = head(&format!("content-length: {}\r\n\r\n", body.len()));
    let mut client = connect(&receiver);
    client.write_all(&[head.as_bytes(), &body].concat()).unwrap();
    inside.recv_timeout(PATIENCE).unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    // The receiver closes too, once it has detected the close of the client.
    assert_eq!(until_closed(client), "");
    assert_eq!(receiver.stats().spans, 0);
    drop(release);
    let start = Instant::now();
    // Memory is free again once the handler is done.
    while receiver.stats().bytes_in_memory > 0 {
        assert!(start.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
    let stats = receiver.stats();
    assert_eq!((stats.spans, stats.bytes), (2, body.len() as u64));
}

#[test]
fn a_handler_may_stop_its_own_receiver() {
    for shuts_down in [true, false] {
        let place: Arc<Mutex<Option<Receiver>>> = Arc::default();
        let (done, stopped) = mpsc::channel();
        let done = Mutex::new(done);
        let receiver = Receiver::builder()
            .with_limits(Limits::default().with_shutdown_timeout(Duration::from_secs(3600)))
            .with_handler({
                let place = Arc::clone(&place);
                move |_| {
                    let receiver = place.lock().unwrap().take().unwrap();
                    if shuts_down {
                        receiver.shutdown()
                    } else {
                        drop(receiver)
                    }
                    done.lock().unwrap().send(()).unwrap();
                    Answer::Accept
                }
            })
            .start()
            .unwrap();
        let address = receiver.address();
        *place.lock().unwrap() = Some(receiver);
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let body = request(1, "x").1;
        let head = head(&format!("content-length: {}\r\n\r\n", body.len()));
        stream.write_all(&[head.as_bytes(), &body].concat()).unwrap();
        stopped.recv_timeout(PATIENCE).unwrap();
        // The open request still gets its response.
        assert!(until_closed(stream).starts_with("HTTP/1.1 200"));
    }
}

#[test]
fn a_drop_does_not_wait_and_no_export_is_accepted_after_it() {
    let taken = Arc::new(AtomicU64::new(0));
    let receiver = Receiver::builder()
        .with_limits(Limits::default().with_shutdown_timeout(Duration::from_secs(3600)))
        .with_handler({
            let taken = Arc::clone(&taken);
            move |_| {
                taken.fetch_add(1, SeqCst);
                Answer::Accept.after(Duration::from_secs(3600))
            }
        })
        .start()
        .unwrap();
    let address = receiver.address();
    let body = request(1, "x").1;
    let whole =
        [head(&format!("content-length: {}\r\n\r\n", body.len())).as_bytes(), &body].concat();
    let mut waiting = connect(&receiver);
    waiting.write_all(&whole).unwrap();
    let mut idle = connect(&receiver);
    while taken.load(SeqCst) == 0 || receiver.stats().connections < 2 {
        std::thread::yield_now();
    }
    let start = Instant::now();
    drop(receiver);
    // Waiting would take an hour.
    assert!(start.elapsed() < PATIENCE);
    #[cfg(target_os = "linux")]
    assert!(std::net::TcpStream::connect(address).is_err());
    _ = idle.write_all(&whole);
    assert_eq!(until_closed(idle), "");
    assert_eq!(taken.load(SeqCst), 1);
    _ = address;
}

#[test]
fn debug_of_an_export_prints_neither_its_body_nor_header_values() {
    let shown = Arc::<Mutex<String>>::default();
    let printed = shown.clone();
    let handler = move |export| {
        *printed.lock().unwrap() = format!("{export:?} {export:#?}");
        Answer::Accept
    };
    let receiver = Receiver::builder().with_handler(handler).start().unwrap();
    let body = request(2, "hunter2-span").1;
    let many = (0..40).fold(String::new(), |many, n| many + &format!("x-{n}: hunter2-{n}\r\n"));
    let headers =
        format!("authorization: Bearer hunter2\r\n{many}content-length: {}\r\n", body.len());
    let answer = exchange(
        &receiver,
        &[head(&format!("connection: close\r\n{headers}\r\n")).as_bytes(), &body].concat(),
    );
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let shown = shown.lock().unwrap();
    assert!(!shown.contains("hunter2"), "{shown}");
    for part in [&format!("body_bytes: {}", body.len()), "spans: 2", "authorization", " more"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

/// `main` prints the `Debug` of its error.
#[test]
fn debug_and_display_of_errors_are_equal() {
    let taken = Receiver::builder().start().unwrap();
    let bind = Receiver::builder().with_address(taken.address()).start().unwrap_err();
    let limit = Limits::default().with_connections(0);
    let limit = Receiver::builder().with_limits(limit).start().unwrap_err();
    for (error, prefix) in [(bind, "cannot listen on 127.0.0.1:"), (limit, "the limit connections")]
    {
        assert_eq!(format!("{error:?}"), error.to_string());
        assert!(error.to_string().starts_with(prefix), "{error}");
    }
}
