//! A wire that follows a script, so that the sending loop can be tested in paused time.

use std::convert::Infallible;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use tokio::time::Instant;

use crate::body::Sent;
use crate::classify::{self, Verdict};
use crate::retry::Cause;
use crate::wire::{Payload, exchange};

/// What the peer does with one attempt.
#[derive(Debug, Clone)]
pub(crate) enum Scene {
    /// Answers with a status, and `Retry-After` if given, after a time.
    Answer(u16, Option<&'static str>, Duration),
    /// Takes the bytes and never answers.
    Silence,
    /// Never takes a byte.
    Blackhole,
    /// Refuses the connection.
    Refuse,
}

/// Plays its scenes in order, the last one for ever, and keeps what it saw.
#[derive(Debug)]
pub(crate) struct Script {
    scenes: Mutex<Vec<Scene>>,
    pub(crate) seen: Mutex<Vec<(Instant, Bytes)>>,
}

impl Script {
    pub(crate) fn new(scenes: &[Scene]) -> Self {
        let scenes = Mutex::new(scenes.iter().rev().cloned().collect());
        Self { scenes, seen: Mutex::default() }
    }

    pub(crate) async fn attempt(
        &self,
        payload: &Payload,
        sent: Sent,
        deadline: Instant,
    ) -> Verdict {
        self.seen.lock().unwrap().push((Instant::now(), payload.bytes.clone()));
        let scene = {
            let mut scenes = self.scenes.lock().unwrap();
            if scenes.len() > 1 { scenes.pop().unwrap() } else { scenes[0].clone() }
        };
        let call = async {
            match scene {
                Scene::Answer(status, after, wait) => {
                    sent.set();
                    tokio::time::sleep(wait).await;
                    let mut answer = Response::builder().status(status);
                    if let Some(after) = after {
                        answer = answer.header("retry-after", after);
                    }
                    Ok::<_, Infallible>(answer.body(Full::new(Bytes::new())).unwrap())
                }
                Scene::Silence => {
                    sent.set();
                    std::future::pending().await
                }
                Scene::Blackhole | Scene::Refuse => std::future::pending().await,
            }
        };
        if matches!(scene, Scene::Refuse) {
            return Verdict::again(Cause::NotSent, "connection refused");
        }
        match exchange(call, &sent, deadline).await {
            Ok(reply) => classify::http(&reply, SystemTime::now()),
            Err(verdict) => verdict,
        }
    }
}
