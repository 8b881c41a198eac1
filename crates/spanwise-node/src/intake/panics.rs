//! Panics of the parts behind a receiver.

use super::*;
use crate::account::Account;
use crate::destination::Destinations;
use crate::directories::Directories;
use crate::memory::Shares;
use crate::settings::MemoryLimit;
use spanwise_worker::catch_panic;
use tokio::runtime::Handle;

/// The receiver answers it with an error, so that the sender still has the spans.
#[tokio::test]
async fn a_processor_that_panics_refuses_the_request_and_the_account_adds_up() {
    let shares = Shares::new(MemoryLimit::Bytes(64 << 20), 1, None).unwrap();
    let memory = Memory::new(&shares);
    let directories = &mut Directories::default();
    let (next, _tasks) =
        Destinations::start(&[], directories, &memory, &Handle::current()).unwrap();
    let of_stage = memory.requests.charged();
    let none = || Processors::new(Vec::new()).unwrap();
    let intake = Arc::new(Intake::new(none(), memory.clone()));
    let entry = Entry::new(intake, next, false, None);
    let body = Bytes::from_static(&[0x0a, 4, 0x12, 2, 0x12, 0]);
    assert_eq!(entry.take(body.clone(), 1), Answer::Accept);
    entry.intake.set_processors(Processors::panicking());
    assert!(catch_panic(|| entry.take(body.clone(), 3)).is_err());
    let account = entry.intake.account();
    assert_eq!((account.received, account.accepted), (4, 1));
    assert_eq!((account.refused_panicked, account.refused()), (3, 3));
    assert_eq!(memory.requests.charged(), of_stage);
    // The next request passes.
    entry.intake.set_processors(none());
    assert_eq!(entry.take(body, 1), Answer::Accept);
    let account = Account { intake: entry.intake.account(), ..Account::default() };
    assert!(account.check().is_ok(), "{account}");
}
