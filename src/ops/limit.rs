//! A bound on how many requests are under way at once, and who waits for whom.
//!
//! A thousand pools that decide at the same moment would open a thousand connections to the API server, each with a
//! TLS handshake and buffers of its own on both sides. But what hangs in one namespace, an admission webhook for
//! example, is of no concern to others. So:
//!
//! * a namespace has at most [`Bounds::of_one`] requests under way;
//! * all together have at most [`Bounds::fresh`] that are young: one that is older than [`OLD`] hangs, and gives its
//!   place to others;
//! * the last [`Bounds::kept_free`] places are for namespaces that have fewer than that under way;
//! * a place that is free goes to whoever has the fewest under way, and within a namespace to who came first.
//!
//! A request counts until its answer begins: watches, which never end, hold up nobody.

mod places;

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::Request;
use tokio::sync::oneshot;
use tower::{Layer, Service};

use places::Places;

/// An API server that is loaded answers within milliseconds, and one that is overloaded within a second or two.
pub const OLD: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub of_one: usize,
    pub fresh: usize,
    pub kept_free: usize,
}

/// Lets so many requests through at a time.
#[derive(Clone, Debug)]
pub struct AtMost(Arc<Mutex<Places<oneshot::Sender<()>>>>);

impl AtMost {
    pub fn new(bounds: Bounds) -> Self {
        Self(Arc::new(Mutex::new(Places::new(bounds))))
    }

    fn lock(&self) -> MutexGuard<'_, Places<oneshot::Sender<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Layer<S> for AtMost {
    type Service = Limited<S>;

    fn layer(&self, inner: S) -> Limited<S> {
        Limited { inner, places: self.clone() }
    }
}

#[derive(Debug)]
pub struct Limited<S> {
    inner: S,
    places: AtMost,
}

impl<S, B> Service<Request<B>> for Limited<S>
where
    S: Service<Request<B>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (places, namespace) = (self.places.clone(), namespace(request.uri().path()).to_owned());
        // Nothing is sent before it is polled.
        let answer = self.inner.call(request);
        Box::pin(async move {
            let mut turn = Turn::wait(places, namespace).await;
            let mut answer = std::pin::pin!(answer);
            if let Ok(answer) = tokio::time::timeout(OLD, answer.as_mut()).await {
                return answer;
            }
            turn.gets_old();
            answer.await
        })
    }
}

/// The namespace that a path of the API names; what names none is one for itself.
fn namespace(path: &str) -> &str {
    let mut parts = path.split('/').skip_while(|part| *part != "namespaces").skip(1);
    parts.next().unwrap_or_default()
}

/// A request that waits or is under way, until it is dropped, whatever comes first.
struct Turn {
    places: AtMost,
    namespace: String,
    ticket: u64,
    old: bool,
}

impl Turn {
    async fn wait(places: AtMost, namespace: String) -> Self {
        let (sender, called) = oneshot::channel();
        let ticket = places.lock().join(&namespace, sender);
        let turn = Self { places, namespace, ticket, old: false };
        turn.call_next();
        // It is dropped by nobody who has not called.
        let _ = called.await;
        turn
    }

    fn gets_old(&mut self) {
        self.old = true;
        self.places.lock().gets_old();
        self.call_next();
    }

    fn call_next(&self) {
        let admitted = self.places.lock().admit();
        for waiting in admitted {
            // Whoever is gone gives its place back itself.
            let _ = waiting.send(());
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.places.lock().leave(&self.namespace, self.ticket, self.old);
        self.call_next();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;
    use tokio::time::{Instant, sleep};

    use super::*;

    const BOUNDS: Bounds = Bounds { of_one: 3, fresh: 4, kept_free: 1 };

    fn request(namespace: &str) -> Request<()> {
        Request::get(format!("/apis/apps/v1/namespaces/{namespace}/deployments/x")).body(()).unwrap()
    }

    /// Requests to `hanging` are answered after a minute, others after a tenth of a second.
    async fn answer(request: Request<()>) -> Result<(), ()> {
        let hangs = request.uri().path().contains("hanging");
        sleep(if hangs { Duration::from_secs(60) } else { Duration::from_millis(100) }).await;
        Ok(())
    }

    #[test]
    fn a_path_tells_the_namespace() {
        for (path, expected) in [
            ("/api/v1/namespaces/agents/pods", "agents"),
            ("/apis/agentworkers.io/v1alpha1/namespaces/agents/agentworkerpools/namespaces/status", "agents"),
            ("/api/v1/namespaces/agents", "agents"),
            ("/version", ""),
            ("/api/v1/nodes", ""),
        ] {
            assert_eq!(namespace(path), expected, "{path}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn never_more_of_a_namespace_are_under_way_and_all_get_their_turn() {
        static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);
        static MOST: AtomicUsize = AtomicUsize::new(0);
        let counted = |request: Request<()>| async move {
            MOST.fetch_max(UNDER_WAY.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let answer = answer(request).await;
            UNDER_WAY.fetch_sub(1, Ordering::SeqCst);
            answer
        };
        let mut service = AtMost::new(BOUNDS).layer(tower::service_fn(counted));
        let calls: Vec<_> = (0..10).map(|_| service.call(request("agents"))).collect();
        let begun = Instant::now();
        assert_eq!(join_all(calls).await, vec![Ok(()); 10]);
        assert_eq!((MOST.load(Ordering::SeqCst), begun.elapsed().as_millis()), (3, 400), "three at a time");
    }

    #[tokio::test(start_paused = true)]
    async fn a_namespace_that_hangs_delays_no_other() {
        let mut service = AtMost::new(BOUNDS).layer(tower::service_fn(answer));
        let hanging: Vec<_> = (0..100).map(|_| tokio::spawn(service.call(request("hanging")))).collect();
        for second in 0..90 {
            sleep(Duration::from_secs(1)).await;
            let begun = Instant::now();
            service.call(request("agents")).await.unwrap();
            assert_eq!(begun.elapsed().as_millis(), 100, "in second {second}");
        }
        hanging.iter().for_each(tokio::task::JoinHandle::abort);
    }

    #[tokio::test(start_paused = true)]
    async fn several_that_hang_hold_up_others_for_no_longer_than_it_takes_to_see_it() {
        let mut service = AtMost::new(BOUNDS).layer(tower::service_fn(answer));
        let tenants = ["hanging-1", "hanging-2", "hanging-3", "hanging-4"];
        let requests = tenants.iter().flat_map(|tenant| std::iter::repeat_n(tenant, 50));
        let hanging: Vec<_> = requests.map(|tenant| tokio::spawn(service.call(request(tenant)))).collect();
        sleep(OLD + Duration::from_millis(1)).await;
        let others: Vec<_> = (0..3).map(|_| service.call(request("agents"))).collect();
        let begun = Instant::now();
        join_all(others).await;
        assert!(begun.elapsed() < OLD + Duration::from_millis(400), "{:?}", begun.elapsed());
        hanging.iter().for_each(tokio::task::JoinHandle::abort);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_given_up_leaves_nothing_behind() {
        let limit = AtMost::new(BOUNDS);
        let mut service = limit.layer(tower::service_fn(answer));
        let calls: Vec<_> = (0..10).map(|_| tokio::spawn(service.call(request("hanging")))).collect();
        sleep(Duration::from_millis(1)).await;
        let late = tokio::spawn(service.call(request("hanging")));
        sleep(OLD * 2).await;
        calls.iter().chain([&late]).for_each(tokio::task::JoinHandle::abort);
        sleep(Duration::from_millis(1)).await;
        assert!(limit.lock().is_empty(), "{limit:?}");
    }
}
