//! The share of this node, with the role of both.

use super::*;

/// A stage that refuses requests while it has a reason.
#[derive(Default)]
struct Local {
    spans: Mutex<Vec<SpanKey>>,
    refusal: Mutex<Option<Refusal>>,
}

impl Local {
    fn set(&self, refusal: Option<Refusal>) {
        *self.refusal.lock().unwrap() = refusal;
    }
}

impl Stage for Local {
    fn busy(&self) -> Option<Busy> {
        match *self.refusal.lock().unwrap() {
            Some(Refusal::Busy(busy)) => Some(busy),
            _ => None,
        }
    }

    fn try_accept(&self, request: OwnedRequest) -> Result<(), Refusal> {
        if let Some(refusal) = *self.refusal.lock().unwrap() {
            return Err(refusal);
        }
        let spans = spans_of(&request.bytes);
        assert_eq!(request.spans, spans.len() as u64);
        assert!(request.charge.bytes() >= request.bytes.len());
        self.spans.lock().unwrap().extend(spans);
        Ok(())
    }
}

/// A gateway with a share of its own, and these peers.
fn both(peers: Vec<String>) -> (World, Arc<Local>) {
    let names = peers.into_iter().chain(["this-node:4317".to_owned()]).collect();
    let mut settings = GatewaySettings::new(Resolver::Static(names), transport());
    settings.own_name = Some("this-node:4317".to_owned());
    settings.unreachable_timeout = Duration::from_millis(400);
    let local = Arc::new(Local::default());
    let world = World::start(settings, Some(Arc::clone(&local) as Arc<dyn Stage>));
    (world, local)
}

const BUSY: Refusal = Refusal::Busy(Busy::Full);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_own_share_stays_in_this_node() {
    let other = Sampler::start();
    let (mut world, local) = both(vec![other.name()]);
    for number in 0..10 {
        world.send(0..100, number).await;
    }
    local.set(Some(BUSY));
    assert_eq!(world.gateway.busy(), Some(Busy::Full), "that of the stage");
    let counts = world.drain(LONG).await;
    let own = local.spans.lock().unwrap().clone();
    assert_eq!(counts.local, own.len() as u64);
    assert_eq!(counts.local + counts.ledger.exported, 1_000);
    assert!(counts.local > 200 && counts.ledger.exported > 200);
    let ring = Ring::new(RingVersion::V3, ["this-node:4317".to_owned(), other.name()]).unwrap();
    assert!(own.iter().all(|(trace, _)| ring.endpoint(*trace) == "this-node:4317"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_refused_as_a_whole_if_this_node_does_not_take_its_share() {
    let other = Sampler::start();
    let (mut world, local) = both(vec![other.name()]);
    let (bytes, keys) = request(0..100, 1);
    for refusal in [BUSY, Refusal::TooLarge, Refusal::Malformed] {
        local.set(Some(refusal));
        assert_eq!(world.try_send(&bytes.clone().into(), keys.len() as u64), Err(refusal));
        let counts = world.gateway.account();
        assert_eq!((counts.handed, counts.local, counts.ledger.created), (0, 0, 0));
        assert_eq!(world.budget.charged(), 0);
    }
    local.set(None);
    world.send(0..100, 1).await;
    let counts = world.drain(LONG).await;
    assert_eq!(counts.local + counts.ledger.exported, 100);
    assert_eq!(other.spans().len() as u64, counts.ledger.exported, "none of the refused ones");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_of_a_peer_that_is_down_wait_until_this_node_has_space() {
    let (mut world, local) = both(vec![Sampler::start().name()]);
    world.send(0..100, 1).await;
    let own = local.spans.lock().unwrap().len();
    local.set(Some(BUSY));
    // The peer is down: its share comes back, and finds no space.
    let begun = Instant::now();
    while world.gateway.account().ring_changes == 0 {
        assert!(begun.elapsed() < LONG);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let counts = world.gateway.account();
    assert_eq!(counts.rerouted_to_local, 0);
    assert_eq!(counts.ledger.in_flight, 100 - own as u64);
    local.set(None);
    let counts = world.drain(LONG).await;
    assert_eq!(counts.rerouted_to_local, 100 - own as u64);
    assert_eq!(local.spans.lock().unwrap().len(), 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_that_find_no_space_until_the_deadline_are_accounted_as_lost() {
    let (mut world, local) = both(vec![Sampler::start().name()]);
    world.send(0..100, 1).await;
    let own = local.spans.lock().unwrap().len() as u64;
    local.set(Some(BUSY));
    let begun = Instant::now();
    while world.gateway.account().ring_changes == 0 {
        assert!(begun.elapsed() < LONG);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let counts = world.drain(Duration::ZERO).await;
    assert_eq!(counts.ledger.dropped(DropReason::ShutdownDeadline), 100 - own);
}
