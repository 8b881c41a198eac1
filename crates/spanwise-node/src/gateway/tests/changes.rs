//! Peers that come, leave and fail under load.

use std::path::PathBuf;

use super::*;

/// A file with the names of peers.
struct Names(PathBuf);

impl Names {
    fn new(test: &str) -> Self {
        let name = format!("spanwise-gateway-{test}-{}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn set(&self, samplers: &[&Sampler]) {
        let text: String = samplers.iter().map(|sampler| sampler.name() + "\n").collect();
        let new = self.0.with_extension("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, &self.0).unwrap();
    }

    fn resolver(&self) -> Resolver {
        Resolver::File { path: self.0.clone(), interval: Duration::from_millis(10) }
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        _ = std::fs::remove_file(&self.0);
    }
}

impl World {
    /// Sends requests until the ring has changed this number of times.
    async fn send_until(&mut self, ring_changes: u64, numbers: &mut std::ops::RangeFrom<u64>) {
        let begun = Instant::now();
        while self.gateway.account().ring_changes < ring_changes {
            assert!(begun.elapsed() < LONG, "{:?}", self.gateway.account());
            let number = numbers.next().unwrap();
            self.send(0..50, number).await;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// The traces that are at more than one peer.
fn torn(samplers: &[&Sampler]) -> HashSet<[u8; 16]> {
    let mut peers: HashMap<[u8; 16], u32> = HashMap::new();
    for sampler in samplers {
        sampler.traces().into_iter().for_each(|trace| *peers.entry(trace).or_default() += 1);
    }
    peers.into_iter().filter(|(_, peers)| *peers > 1).map(|(trace, _)| trace).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_without_peers_is_busy_until_there_are_some() {
    let names = Names::new("late");
    let sampler = Sampler::start();
    let mut world = World::start(GatewaySettings::new(names.resolver(), transport()), None);
    assert!(world.gateway.busy().is_some());
    assert!(world.gateway.account().resolver_problem.is_some());
    names.set(&[&sampler]);
    // Waits while the gateway is busy.
    world.send(0..100, 1).await;
    assert_eq!(world.gateway.account().resolver_problem, None);
    world.drain(LONG).await;
    world.check_all(&[&sampler]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_come_and_leave_under_load_without_a_loss() {
    let names = Names::new("load");
    let [a, b, c] = [Sampler::start(), Sampler::start(), Sampler::start()];
    names.set(&[&a, &b]);
    let mut world = World::start(GatewaySettings::new(names.resolver(), transport()), None);
    let mut numbers = 0..;
    for _ in 0..20 {
        world.send(0..50, numbers.next().unwrap()).await;
    }
    names.set(&[&a, &b, &c]);
    world.send_until(1, &mut numbers).await;
    // The traces that have begun stay; new ones go to the new peer, too.
    for _ in 0..20 {
        let number = numbers.next().unwrap();
        world.send(0..50, number).await;
        world.send(1_000..1_050, number).await;
    }
    let counts = world.gateway.account();
    assert!(counts.stayed > 0);
    assert_eq!((counts.torn_traces, counts.rerouted), (0, 0));
    names.set(&[&b, &c]);
    world.send_until(2, &mut numbers).await;
    for _ in 0..20 {
        let number = numbers.next().unwrap();
        world.send(0..50, number).await;
        world.send(1_000..1_050, number).await;
    }
    let counts = world.drain(LONG).await;
    assert_eq!(counts.ledger.exported, world.accepted.len() as u64);
    world.check_all(&[&a, &b, &c]);
    let torn = torn(&[&a, &b, &c]);
    assert!(!torn.is_empty() && torn.is_subset(&a.traces()), "only those of the peer that left");
    assert_eq!(counts.torn_traces, torn.len() as u64);
    assert!(c.traces().len() > 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_share_of_a_peer_that_is_down_goes_to_the_others_until_it_answers() {
    let [a, b] = [Sampler::start(), Sampler::start()];
    let down = Sampler::start();
    let (address, name) = (down.receiver.address(), down.name());
    drop(down);
    let mut settings =
        GatewaySettings::new(Resolver::Static(vec![a.name(), b.name(), name.clone()]), transport());
    settings.unreachable_timeout = Duration::from_millis(600);
    // Soon full: clients are refused until the share is taken from the peer.
    settings.queue_bytes = Some(2_000);
    let mut world = World::start(settings, None);
    let mut numbers = 0..;
    world.send_until(1, &mut numbers).await;
    let counts = world.gateway.account();
    assert_eq!(counts.peers.len(), 3, "the peer is still shown");
    assert!(counts.peers.iter().any(|peer| peer.name == name && peer.problem.is_some()));
    for _ in 0..20 {
        world.send(0..50, numbers.next().unwrap()).await;
    }
    let up = Sampler::at(address, |_| Answer::Accept);
    world.send_until(2, &mut numbers).await;
    // Traces that no peer has yet.
    world.send(1_000..1_050, numbers.next().unwrap()).await;
    let counts = world.drain(LONG).await;
    assert!(counts.rerouted > 0);
    assert_eq!(counts.ledger.exported, world.accepted.len() as u64);
    // On a busy machine, a request has no answer within its 300 ms, and is repeated.
    world.check_no_loss(&[&a, &b, &up]);
    assert!(!up.traces().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_asks_for_patience_retains_its_share() {
    let [a, b] = [Sampler::start(), Sampler::at(SocketAddr::from(([127, 0, 0, 1], 0)), |_| busy())];
    let mut settings = GatewaySettings::new(list(&[&a, &b]), transport());
    settings.unreachable_timeout = Duration::from_secs(1);
    settings.queue_bytes = Some(100_000);
    let mut world = World::start(settings, None);
    world.send(0..100, 1).await;
    let begun = Instant::now();
    while b.receiver.stats().requests < 10 {
        assert!(begun.elapsed() < LONG);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    while begun.elapsed() < Duration::from_millis(1_300) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let counts = world.drain(Duration::ZERO).await;
    assert_eq!((counts.ring_changes, counts.rerouted), (0, 0));
    // One of its requests may have been on the way.
    let reasons = [DropReason::ShutdownDeadline, DropReason::AmbiguousShutdown];
    assert!(reasons.map(|reason| counts.ledger.dropped(reason)).iter().sum::<u64>() > 0);
    assert_eq!(counts.ledger.dropped(DropReason::RetryDeadline), 0);
}

fn busy() -> Answer {
    let message = "busy".to_owned();
    Answer::Refuse { http_status: 503, grpc_code: 14, message, retry_after: None }
}

/// Sends four requests that fill the senders of the one peer, and one behind them. The peer takes no request with a span of trace 7.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_span_that_a_peer_never_takes_is_lost_in_the_end_and_holds_up_no_other() {
    let (_, never) = request(7..8, 0);
    let never = never[0].0;
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let sampler = Sampler::at(any, move |spans| {
        if spans.iter().any(|(trace, _)| *trace == never) { busy() } else { Answer::Accept }
    });
    let mut settings = GatewaySettings::new(list(&[&sampler]), transport());
    settings.unreachable_timeout = Duration::from_millis(200);
    let mut world = World::start(settings, None);
    for number in 0..4 {
        world.send(6..9, number).await;
        // A sender has it: the next one is not joined.
        while world.gateway.account().peers[0].queued_bytes > 0 {
            tokio::task::yield_now().await;
        }
    }
    world.send(100..200, 4).await;
    let counts = world.drain(LONG).await;
    assert_eq!(counts.ledger.dropped_total(), 4, "{:?}", counts.ledger);
    assert_eq!(counts.ledger.exported, 4 * 3 + 100 - 4);
    world.accepted.retain(|(trace, _)| *trace != never);
    world.check_no_loss(&[&sampler]);
}

/// As a peer that has no space for a large request, again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_too_large_for_a_busy_peer_is_halved() {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let answer = |spans: &[SpanKey]| if spans.len() > 30 { busy() } else { Answer::Accept };
    let sampler = Sampler::at(any, answer);
    let mut settings = GatewaySettings::new(list(&[&sampler]), transport());
    settings.unreachable_timeout = Duration::from_millis(200);
    let mut world = World::start(settings, None);
    world.send(0..100, 1).await;
    let counts = world.drain(LONG).await;
    assert_eq!(counts.ledger.exported, 100, "{:?}", counts.ledger);
    world.check_no_loss(&[&sampler]);
}

/// Certificates that are being replaced cannot be read for a moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_span_that_a_peer_does_not_accept_costs_no_other() {
    let (_, refused) = request(777..778, 1);
    let refused = refused[0].0;
    let sampler = Sampler::at(SocketAddr::from(([127, 0, 0, 1], 0)), move |spans| {
        match spans.iter().any(|(trace, _)| *trace == refused) {
            true => Answer::Refuse {
                http_status: 400,
                grpc_code: 13,
                message: "error unmarshalling request".to_owned(),
                retry_after: None,
            },
            false => Answer::Accept,
        }
    });
    let mut world = World::start(GatewaySettings::new(list(&[&sampler]), transport()), None);
    world.send(0..2_000, 1).await;
    let counts = world.drain(LONG).await;
    assert_eq!(counts.ledger.exported, 1_999);
    assert_eq!(counts.ledger.dropped(DropReason::Rejected), 1);
    assert_eq!(sampler.spans().len(), 1_999);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_ends_the_requests_of_a_peer_that_has_left() {
    let silent = Sampler::at(SocketAddr::from(([127, 0, 0, 1], 0)), |_| {
        Answer::Accept.after(Duration::from_secs(3_600))
    });
    let other = Sampler::start();
    let file = Names::new("leaving");
    file.set(&[&silent, &other]);
    let mut world = World::start(GatewaySettings::new(file.resolver(), transport()), None);
    world.send(0..1_000, 1).await;
    while world.gateway.account().peers.iter().any(|it| it.name == other.name() && it.sent == 0) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    file.set(&[&other]);
    while world.gateway.account().peers.len() > 1 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let counts = world.drain(Duration::from_millis(50)).await;
    assert!(counts.ledger.dropped(DropReason::AmbiguousShutdown) > 0, "{:?}", counts.ledger);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_fails_is_made_as_soon_as_it_can_be() {
    let names = Names::new("retried");
    let [a, b] = [Sampler::start(), Sampler::start()];
    names.set(&[&a]);
    let authority = spanwise_testkit::pki::Authority::new("ca").unwrap().certificate;
    let certificate = names.0.with_extension("pem");
    std::fs::write(&certificate, &authority).unwrap();
    let transport = transport().with_certificate_file(&certificate);
    let mut settings = GatewaySettings::new(names.resolver(), transport);
    settings.uses_tls = true;
    let world = World::start(settings, None);
    assert_eq!(world.gateway.account().resolver_problem, None);
    std::fs::write(&certificate, "half of a certif").unwrap();
    names.set(&[&a, &b]);
    let until = |is_met: fn(&GatewayAccount) -> bool| {
        let (begun, gateway) = (Instant::now(), Arc::clone(&world.gateway));
        async move {
            while !is_met(&gateway.account()) {
                assert!(begun.elapsed() < LONG, "{:?}", gateway.account());
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    };
    until(|account| account.resolver_problem.is_some()).await;
    let account = world.gateway.account();
    let problem = account.last_resolver_failure.unwrap();
    assert!(problem.contains("tls.ca_file: ") && problem.contains(&*b.name()), "{problem}");
    assert_eq!((account.ring_changes, account.peers.len()), (0, 1));
    // The names stay the same from here on.
    std::fs::write(&certificate, &authority).unwrap();
    until(|account| account.ring_changes == 1).await;
    let account = world.gateway.account();
    assert_eq!((account.resolver_problem, account.peers.len()), (None, 2));
    assert!(account.resolver_failures >= 1);
    world.drain(LONG).await;
    std::fs::remove_file(certificate).unwrap();
}
