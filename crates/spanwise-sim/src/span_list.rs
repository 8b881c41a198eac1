//! The world's own list of all spans: the oracle of the ledgers.

use crate::account::{Account, Stage};
use spanwise_ledger::DropReason;
use std::time::Instant;

/// All spans of a world, by id, and the account of each destination. The first destination has all spans, the
/// others those that the exporter has drained.
#[derive(Debug)]
pub struct SpanList {
    spans: Vec<Span>,
    accounts: Vec<Account>,
    /// The spans that have ended, in that order.
    ended: Vec<u64>,
    /// The first of those without an outcome, at each destination.
    unsettled: Vec<usize>,
}

/// A span.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// The length of its name.
    pub len: usize,
    /// The index of its scope.
    pub scope: usize,
    /// The index of its trace.
    pub trace: u64,
    /// The exporter has drained it from the queue.
    is_drained: bool,
}

impl SpanList {
    /// A list for this number of destinations.
    pub fn new(destinations: usize) -> Self {
        let accounts = (0..destinations).map(|_| Account::default()).collect();
        let unsettled = vec![0; destinations];
        Self { spans: Vec::new(), accounts, ended: Vec::new(), unsettled }
    }

    /// Adds a span that starts now, and returns its id.
    pub fn start(&mut self, len: usize, scope: usize, trace: u64) -> u64 {
        self.spans.push(Span { len, scope, trace, is_drained: false });
        for (index, account) in self.accounts.iter_mut().enumerate() {
            account.add(if index == 0 { Stage::Started } else { Stage::Absent });
        }
        self.spans.len() as u64
    }

    /// The span with this id.
    pub fn get(&self, id: u64) -> Option<&Span> {
        self.spans.get(usize::try_from(id.checked_sub(1)?).ok()?)
    }

    /// The account of the first destination, which has all spans.
    pub fn first(&mut self) -> &mut Account {
        &mut self.accounts[0]
    }

    /// The account of a destination.
    pub fn account(&self, destination: usize) -> &Account {
        &self.accounts[destination]
    }

    /// The account of a destination.
    pub fn account_mut(&mut self, destination: usize) -> &mut Account {
        &mut self.accounts[destination]
    }

    /// The accounts of all destinations.
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// The span has ended and waits for its request.
    pub fn end(&mut self, id: u64, now: Instant) {
        self.first().move_to(&[id], Stage::Waiting(now));
        self.ended.push(id);
    }

    /// The exporter has drained the span with this id: all destinations count it.
    pub fn drain(&mut self, id: u64) {
        let Stage::Waiting(since) = self.accounts[0].stage(id) else { return };
        self.accounts.iter_mut().skip(1).for_each(|account| account.enter(id, since));
        let index = id.checked_sub(1).and_then(|index| usize::try_from(index).ok());
        if let Some(span) = index.and_then(|index| self.spans.get_mut(index)) {
            span.is_drained = true;
        }
    }

    /// The spans that wait for a request to a destination, and that the exporter has drained.
    pub fn drained(&self, destination: usize) -> Vec<u64> {
        let mut waiting = self.waiting(destination);
        waiting.retain(|&id| self.get(id).is_some_and(|span| span.is_drained));
        waiting
    }

    /// The spans that wait for a request to a destination.
    pub fn waiting(&self, destination: usize) -> Vec<u64> {
        self.waiting_since(destination).map(|(id, _)| id).collect()
    }

    /// The spans that wait for a request to a destination, in the order in which they ended, and their ends.
    pub fn waiting_since(&self, destination: usize) -> impl Iterator<Item = (u64, Instant)> {
        let account = &self.accounts[destination];
        let ids = self.ended.iter().skip(self.unsettled[destination]);
        ids.filter_map(|&id| match account.stage(id) {
            Stage::Waiting(since) => Some((id, since)),
            _ => None,
        })
    }

    /// The spans with these ids, which the exporter has drained, are lost at all destinations.
    pub fn drop_everywhere(&mut self, ids: &[u64], reason: DropReason) {
        for account in &mut self.accounts {
            account.drop_for(reason, ids.len() as u64);
            account.move_to(ids, Stage::Settled);
        }
    }

    /// Recorded and refused spans that have started.
    pub fn created(&self) -> u64 {
        self.spans.len() as u64
    }

    /// Outcomes that are missing, at all destinations.
    pub fn unsettled(&self) -> u64 {
        self.accounts.iter().map(Account::unsettled).sum()
    }

    /// Spans that have ended, be it with an outcome or not.
    pub fn ended(&self) -> usize {
        self.ended.len()
    }

    /// Skips the spans that ended first and have an outcome, which makes a look at the others cheap.
    pub fn skip_settled(&mut self) {
        for (destination, first) in self.unsettled.iter_mut().enumerate() {
            while let Some(&id) = self.ended.get(*first)
                && is_settled(&self.accounts, destination, id)
            {
                *first += 1;
            }
        }
    }

    /// Whether each of the first `count` spans that ended has an outcome at all destinations.
    pub fn are_settled(&mut self, count: usize) -> bool {
        self.skip_settled();
        (0..self.accounts.len()).all(|destination| {
            let first = self.unsettled[destination];
            let rest = self.ended.get(first..count).unwrap_or_default();
            let waiting = rest.iter().filter(|&&id| !is_settled(&self.accounts, destination, id));
            // Those that were lost unseen may be among the first.
            let unseen = usize::try_from(self.accounts[destination].unseen_losses());
            waiting.count() <= unseen.unwrap_or(usize::MAX)
        })
    }
}

/// Whether the span has an outcome at the destination: also one that was lost before the exporter drained it.
fn is_settled(accounts: &[Account], destination: usize, id: u64) -> bool {
    match accounts[destination].stage(id) {
        Stage::Settled => true,
        Stage::Absent => accounts[0].stage(id) == Stage::Settled,
        _ => false,
    }
}
