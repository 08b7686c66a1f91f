//! One connection to one broker. Requests are sent as they come and answered in order; each has a
//! deadline, and whoever asked may stop waiting at any time.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::bytes::{Reader, Writer};
use super::cluster::Settings;
use super::error::{Code, Error};
use super::message::{ApiVersions, Request};

/// Far above what any answer to our requests takes: 1,000 groups of 100 partitions are 3 MB.
const LONGEST_ANSWER: u64 = 16 * 1024 * 1024;
/// Requests under way; the next one waits.
const PIPELINE: usize = 64;

/// Who waits for which answer; `None` once the connection is broken.
type Waiting = Arc<Mutex<Option<HashMap<i32, oneshot::Sender<Result<Vec<u8>, Error>>>>>>;

/// Dropping it closes it.
#[derive(Debug)]
pub struct Connection {
    requests: mpsc::Sender<Vec<u8>>,
    waiting: Waiting,
    next: std::sync::atomic::AtomicI32,
    versions: HashMap<i16, (i16, i16)>,
    client_id: String,
    limit: Duration,
    tasks: [AbortHandle; 2],
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Connection {
    /// Connects, encrypts, negotiates and logs in, all within `settings.connect_limit`.
    pub async fn open(host: &str, port: u16, settings: &Settings) -> Result<Self, Error> {
        timeout(settings.connect_limit, Self::open_unbounded(host, port, settings))
            .await
            .unwrap_or(Err(Error::TimedOut("connecting")))
    }

    async fn open_unbounded(host: &str, port: u16, settings: &Settings) -> Result<Self, Error> {
        let stream = connect(host, port, settings.refuse).await?;
        let mut connection = match &settings.tls {
            None => Self::over(stream, settings),
            Some(config) => {
                let name = rustls_pki_types::ServerName::try_from(host.to_owned())
                    .map_err(|_| Error::Tls("its host name cannot stand in a certificate"))?;
                let stream = TlsConnector::from(config.clone()).connect(name, stream).await;
                Self::over(stream.map_err(|error| settings.tls_error(&error))?, settings)
            }
        };
        connection.versions = connection.call(&ApiVersions).await?.map_err(|code| match code {
            Code::UNSUPPORTED_VERSION => Error::Unsupported("handshake"),
            code => Error::Refused(code),
        })?;
        if let Some(login) = &settings.login {
            login.on(&connection).await?;
        }
        Ok(connection)
    }

    fn over(stream: impl AsyncRead + AsyncWrite + Send + 'static, settings: &Settings) -> Self {
        let (read, write) = tokio::io::split(stream);
        let waiting: Waiting = Arc::new(Mutex::new(Some(HashMap::new())));
        let (requests, sent) = mpsc::channel(PIPELINE);
        let reader = tokio::spawn({
            let (waiting, words) = (waiting.clone(), settings.clone());
            async move { fail(&waiting, &read_answers(read, &waiting, &words).await) }
        });
        let sender = tokio::spawn({
            let waiting = waiting.clone();
            async move {
                if let Err(error) = write_requests(write, sent).await {
                    fail(&waiting, &error);
                }
            }
        });
        Self {
            requests,
            waiting,
            next: 0.into(),
            // Until it is negotiated: the versions that are needed for negotiating.
            versions: HashMap::from([(ApiVersions::KEY, ApiVersions::VERSIONS)]),
            client_id: settings.client_id.clone(),
            limit: settings.request_limit,
            tasks: [reader.abort_handle(), sender.abort_handle()],
        }
    }

    pub fn is_broken(&self) -> bool {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// The version in which the broker and we have this request.
    pub fn version<R: Request>(&self) -> Result<i16, Error> {
        let (oldest, newest) = R::VERSIONS;
        let theirs = self.versions.get(&R::KEY).copied();
        let common = theirs.map(|(min, max)| (min.max(oldest), max.min(newest)));
        match common {
            Some((min, max)) if min <= max => Ok(max),
            _ => Err(Error::Unsupported(R::NAME)),
        }
    }

    /// Whether the broker knows this version of a request, be it one that is not made here.
    pub fn knows(&self, key: i16, version: i16) -> bool {
        self.versions.get(&key).is_some_and(|&(min, max)| (min..=max).contains(&version))
    }

    /// Asks, and waits for the answer as long as the settings allow. A connection on which an answer
    /// did not come in time is closed: what hangs would hold up all that follow.
    pub async fn call<R: Request>(&self, request: &R) -> Result<R::Answer, Error> {
        self.call_in(self.version::<R>()?, request).await
    }

    /// The same in this version, whatever the broker has.
    pub async fn call_in<R: Request>(&self, version: i16, request: &R) -> Result<R::Answer, Error> {
        let id = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        match self.waiting.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(waiting) => drop(waiting.insert(id, sender)),
            None => return Err(Error::Unreachable("the connection was lost".to_owned())),
        }
        let frame = frame(request, version, id, &self.client_id);
        let exchange = async {
            let gone = || Error::Unreachable("the connection was lost".to_owned());
            self.requests.send(frame).await.map_err(|_| gone())?;
            answer.await.map_err(|_| gone())?
        };
        let Ok(answered) = timeout(self.limit, exchange).await else {
            let error = Error::TimedOut(R::NAME);
            fail(&self.waiting, &error);
            self.tasks.iter().for_each(AbortHandle::abort);
            return Err(error);
        };
        let body = answered?;
        let flexible = version >= R::FLEXIBLE;
        let mut reader = Reader::new(&body, flexible);
        // The answer to ApiVersions keeps the oldest header, so that everybody can read it.
        if R::KEY != ApiVersions::KEY {
            reader.end()?;
        }
        Ok(request.read(version, &mut reader)?)
    }
}

async fn connect(host: &str, port: u16, refuse: fn(IpAddr) -> bool) -> Result<TcpStream, Error> {
    let found = tokio::net::lookup_host((host, port)).await;
    let found = found.map_err(|_| Error::Unreachable(format!("the name {host} cannot be resolved")))?;
    let (refused, allowed): (Vec<_>, Vec<_>) = found.partition(|address| refuse(address.ip()));
    if allowed.is_empty() && !refused.is_empty() {
        return Err(Error::Forbidden);
    }
    let stream = TcpStream::connect(allowed.as_slice()).await.map_err(|error| unreachable(&error))?;
    // Requests are small and wait for answers.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// A request as it goes over the wire.
fn frame<R: Request>(request: &R, version: i16, id: i32, client_id: &str) -> Vec<u8> {
    let mut header = Writer::new(false);
    header.i16(R::KEY);
    header.i16(version);
    header.i32(id);
    header.string(client_id);
    let mut frame = header.into_bytes();
    let mut body = Writer::new(version >= R::FLEXIBLE);
    // Tagged fields of the header, which otherwise keeps the old encoding.
    body.end();
    request.write(version, &mut body);
    frame.extend(body.into_bytes());
    let length = i32::try_from(frame.len()).unwrap_or(i32::MAX).to_be_bytes();
    frame.splice(0..0, length);
    frame
}

async fn write_requests(
    mut stream: impl AsyncWrite + Unpin,
    mut requests: mpsc::Receiver<Vec<u8>>,
) -> Result<(), Error> {
    while let Some(frame) = requests.recv().await {
        stream.write_all(&frame).await.map_err(|error| unreachable(&error))?;
        stream.flush().await.map_err(|error| unreachable(&error))?;
    }
    Ok(())
}

/// Ends with what broke the connection.
async fn read_answers(mut stream: impl AsyncRead + Unpin, waiting: &Waiting, settings: &Settings) -> Error {
    loop {
        let (id, body) = match read_answer(&mut stream).await {
            Ok(answer) => answer,
            Err(Broken::Io(error)) => return settings.tls_error(&error),
            Err(Broken::Words(error)) => return error,
        };
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody may be waiting any more.
        if let Some(sender) = waiting.as_mut().and_then(|waiting| waiting.remove(&id)) {
            let _ = sender.send(Ok(body));
        }
    }
}

enum Broken {
    Io(std::io::Error),
    Words(Error),
}

async fn read_answer(stream: &mut (impl AsyncRead + Unpin)) -> Result<(i32, Vec<u8>), Broken> {
    let length = stream.read_i32().await.map_err(Broken::Io)?;
    let length = u64::try_from(length).ok().filter(|length| (4..=LONGEST_ANSWER).contains(length));
    let length = length.ok_or(Broken::Words(Error::NotKafka("an answer of impossible length; is it a TLS port?")))?;
    let id = stream.read_i32().await.map_err(Broken::Io)?;
    // The buffer grows with what comes, not with what was announced.
    let mut body = Vec::new();
    let read = stream.take(length - 4).read_to_end(&mut body).await.map_err(Broken::Io)?;
    if read as u64 != length - 4 {
        return Err(Broken::Io(std::io::ErrorKind::UnexpectedEof.into()));
    }
    Ok((id, body))
}

/// Tells all who wait, and all who come later.
fn fail(waiting: &Waiting, error: &Error) {
    let waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
    for sender in waiting.into_iter().flatten().map(|(_, sender)| sender) {
        let _ = sender.send(Err(error.clone()));
    }
}

/// In words that hold no address: whoever reports it knows which it was.
pub(super) fn unreachable(error: &std::io::Error) -> Error {
    use std::io::ErrorKind;
    Error::Unreachable(match error.kind() {
        ErrorKind::ConnectionRefused => "nobody listens there (connection refused)".to_owned(),
        ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe => {
            "it closed the connection".to_owned()
        }
        kind => kind.to_string(),
    })
}
