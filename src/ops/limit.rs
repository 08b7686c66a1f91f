//! A bound on how many requests are under way at once.
//!
//! A thousand pools that decide at the same moment would open a thousand connections to the API server, each with a
//! TLS handshake and buffers of its own on both sides. A request counts until its answer begins: watches, which never
//! end, hold up nobody.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::Semaphore;
use tower::{Layer, Service};

/// Lets so many requests through at a time; the others wait in the order in which they came.
#[derive(Clone, Debug)]
pub struct AtMost(Arc<Semaphore>);

impl AtMost {
    pub fn new(requests: usize) -> Self {
        Self(Arc::new(Semaphore::new(requests)))
    }
}

impl<S> Layer<S> for AtMost {
    type Service = Limited<S>;

    fn layer(&self, inner: S) -> Limited<S> {
        Limited { inner, permits: self.0.clone() }
    }
}

#[derive(Debug)]
pub struct Limited<S> {
    inner: S,
    permits: Arc<Semaphore>,
}

impl<S, R> Service<R> for Limited<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        // Nothing is sent before it is polled.
        let answer = self.inner.call(request);
        let permits = self.permits.clone();
        Box::pin(async move {
            // The semaphore is never closed.
            let _permit = permits.acquire().await;
            answer.await
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn never_more_are_under_way_and_all_get_their_turn() {
        static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);
        static MOST: AtomicUsize = AtomicUsize::new(0);
        let answer = |number: usize| async move {
            MOST.fetch_max(UNDER_WAY.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_secs(1)).await;
            UNDER_WAY.fetch_sub(1, Ordering::SeqCst);
            Ok::<_, ()>(number)
        };
        let mut service = AtMost::new(3).layer(tower::service_fn(answer));
        let calls: Vec<_> = (0..10).map(|number| service.call(number)).collect();
        let answers = futures::future::join_all(calls).await;
        assert_eq!(answers, (0..10).map(Ok).collect::<Vec<_>>());
        assert_eq!(MOST.load(Ordering::SeqCst), 3);
    }
}
