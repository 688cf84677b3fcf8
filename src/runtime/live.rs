//! Follows logs: asks for their lines about every half second and hands them on. Nobody waits for a screen that is
//! slow: what finds no place is dropped and counted.

use std::time::Duration;

use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use super::{LiveLines, now, panic};
use crate::app::Msg;

const PERIOD: Duration = Duration::from_millis(500);

pub(super) fn follow(mut live: LiveLines, batches: Sender<Msg>) {
    tokio::spawn(async move {
        let mut dropped = 0;
        let mut period = tokio::time::interval(PERIOD);
        period.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            period.tick().await;
            let at = now();
            let asked = tokio::task::spawn_blocking(move || {
                let lines = live(at);
                (live, lines)
            });
            let lines = match asked.await {
                Ok((again, lines)) => {
                    live = again;
                    lines
                }
                Err(error) => {
                    let text = format!("logs are not followed any more: {}", panic::text(error));
                    drop(batches.send(Msg::Trouble(text)).await);
                    return;
                }
            };
            let count = lines.len() as u64;
            match batches.try_send(Msg::LogLines { at, lines, dropped }) {
                Ok(()) => {}
                Err(TrySendError::Full(_)) => dropped += count,
                Err(TrySendError::Closed(_)) => return,
            }
        }
    });
}
