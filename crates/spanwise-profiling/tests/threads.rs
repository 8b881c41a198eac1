//! The list of threads of a process whose threads are known.
#![cfg(target_os = "linux")]

mod common;

#[test]
fn threads_have_names_and_states() {
    let (send, receive) = std::sync::mpsc::channel::<()>();
    let sleeping = std::thread::Builder::new().name("a-sleeper".to_owned());
    let sleeping = sleeping.spawn(move || receive.recv()).unwrap();
    while !spanwise_profiling::threads().unwrap().to_folded().contains("a-sleeper;sleeping 1") {
        std::thread::yield_now();
    }
    let profile = spanwise_profiling::threads().unwrap();
    let decoded = common::decode(&profile.to_pprof().unwrap());
    assert_eq!(decoded.sample_types(), [("threads", "count"), ("cpu", "nanoseconds")]);
    assert_eq!(decoded.sum("a-sleeper", "threads"), 1);
    assert!(profile.total("threads").unwrap() >= 2);
    send.send(()).unwrap();
    sleeping.join().unwrap().unwrap();
}

#[test]
fn a_thread_whose_name_is_cut_within_a_letter_is_listed() {
    let (send, receive) = std::sync::mpsc::channel::<()>();
    // The system has 15 of its 16 bytes.
    let sleeping = std::thread::Builder::new().name("éééééééé".to_owned());
    let sleeping = sleeping.spawn(move || receive.recv()).unwrap();
    let started = std::time::Instant::now();
    while !spanwise_profiling::threads().unwrap().to_folded().contains("ééééééé") {
        assert!(started.elapsed() < std::time::Duration::from_secs(20));
        std::thread::yield_now();
    }
    send.send(()).unwrap();
    sleeping.join().unwrap().unwrap();
}
