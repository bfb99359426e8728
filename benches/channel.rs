//! A real operation: a message through a channel of tokio, on a runtime of one thread.
//!
//! The receiver is another task, so the operation waits once for it.

use std::hint::black_box;

use tokio::sync::{mpsc, oneshot};

use crate::operation::{Outcome, Refused};

/// One end of the channel.
pub struct Echo {
    requests: mpsc::Sender<(u32, oneshot::Sender<u32>)>,
}

impl Echo {
    /// Sends a number and receives it back.
    pub async fn call(&self, number: u32) -> Outcome {
        let (reply, answer) = oneshot::channel();
        self.requests.send((number, reply)).await.map_err(|_| Refused(number))?;
        answer.await.map_err(|_| Refused(number))
    }
}

/// Makes `times` calls, one after the other.
pub fn repeat(times: u64, call: impl AsyncFn(&Echo, u32) -> Outcome) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime can be built").block_on(async {
        let (requests, mut received) = mpsc::channel::<(u32, oneshot::Sender<u32>)>(4);
        tokio::spawn(async move {
            while let Some((number, reply)) = received.recv().await {
                let _ = reply.send(number);
            }
        });
        let echo = Echo { requests };
        for number in 0..times as u32 {
            let outcome = call(&echo, black_box(number)).await;
            assert_eq!(black_box(outcome).ok(), Some(number));
        }
    });
}
