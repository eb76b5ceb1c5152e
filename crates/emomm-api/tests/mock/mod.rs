//! A server that answers as Gemini and as vLLM do, and misbehaves on demand: on its own sockets, so that it can also break
//! the rules of HTTP. It keeps what it was asked, and counts what it would have charged.
#![allow(dead_code, unused_imports, reason = "the tests of two crates use different parts")]

mod http;
mod wires;

use std::collections::BTreeMap;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;

pub(crate) use http::{Asked, read};

/// US dollars for a million tokens: what the mock charges, and what its price table says.
pub(crate) const INPUT_PRICE: f64 = 10.0;
pub(crate) const OUTPUT_PRICE: f64 = 100.0;

/// A price table of the mock's models.
pub(crate) const PRICES: &str = "as_of = '2026-01-01'\n[[price]]\nmodel = 'mock'\ninput = 10.0\noutput = 100.0\n\
                          tokens_per_frame = 400\ntokens_per_video_second = 700\ntokens_per_audio_second = 60\n";

/// What goes wrong with one request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// A status with headers and a body; nothing is charged.
    Status(u16, Vec<(&'static str, String)>, String),
    /// The reply comes after so long.
    Late(Duration),
    /// The reply's headers and half of its body, then the end of the connection.
    HalfClosed,
    /// The connection ends without a reply.
    Dropped,
    /// A whole HTTP reply whose JSON is cut.
    CutJson,
    /// The reply twice on the same connection.
    Twice,
    /// The reply that the request before this one got, once more.
    EarlierReply,
    /// A filter keeps the answer back.
    Blocked,
    /// The model declines.
    Refused,
    /// A reply without text.
    Empty,
    /// All of the length went into thoughts.
    CutReply,
    /// The usage counts sound that was not sent.
    Leak,
    /// The usage counts a picture that was not sent.
    LeakedPicture,
    /// A reply without end, as far as anybody reads.
    Endless,
    /// The text of the reply.
    Text(String),
    /// The text of a reply that was cut after it.
    CutAfter(String),
}

type Plan = Box<dyn FnMut(usize, &Asked) -> Fault + Send>;

/// What a server can do.
#[derive(Debug, Clone)]
pub(crate) struct Skills {
    /// Takes `video_url`.
    pub(crate) video: bool,
    /// Takes `input_audio`.
    pub(crate) audio: bool,
    /// Takes `image_url`.
    pub(crate) image: bool,
    /// Takes media and does not look at them.
    pub(crate) is_blind: bool,
    /// Gives log-probabilities.
    pub(crate) logprobs: bool,
    /// Gives those of chosen tokens, and knows `/tokenize`.
    pub(crate) token_ids: bool,
    /// Keeps to choices.
    pub(crate) choice: bool,
    /// Refuses unknown fields.
    pub(crate) is_strict: bool,
    /// Heeds the number of frames that it is asked for.
    pub(crate) frames: bool,
    /// Looks at a stored file before it is ready.
    pub(crate) looks: usize,
    /// Stores a file under the name that it is given.
    pub(crate) takes_names: bool,
    /// Fails to make stored files ready.
    pub(crate) spoils_files: bool,
    /// Takes all of a file and does not end its upload.
    pub(crate) is_never_final: bool,
    /// What trials are answered with, if not with a reply.
    pub(crate) trial_status: Option<u16>,
    /// Is overloaded whenever a trial shows a video.
    pub(crate) is_busy_with_video: bool,
    /// The name of its model, as it states it.
    pub(crate) model: String,
    /// Another place where it wants files to be sent.
    pub(crate) uploads_to: Option<String>,
}

impl Default for Skills {
    fn default() -> Self {
        Self {
            video: true,
            audio: true,
            image: true,
            is_blind: false,
            logprobs: true,
            token_ids: true,
            choice: true,
            is_strict: false,
            frames: true,
            looks: 1,
            takes_names: true,
            spoils_files: false,
            is_never_final: false,
            trial_status: None,
            is_busy_with_video: false,
            model: "mock-omni-v1".to_owned(),
            uploads_to: None,
        }
    }
}

/// What the threads of a mock share.
pub(crate) struct Shared {
    pub(crate) skills: Skills,
    plan: Mutex<Plan>,
    asked: Mutex<Vec<Asked>>,
    charged: Mutex<f64>,
    last: Mutex<Option<Value>>,
    /// Stored files by name: size, looks that are left.
    files: Mutex<BTreeMap<String, (Vec<u8>, usize)>>,
    n_questions: Mutex<usize>,
    n_open: Mutex<(usize, usize)>,
}

/// A running mock. It ends with the process.
#[derive(Clone)]
pub(crate) struct Mock {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Mock {
    /// A server without faults.
    pub(crate) fn new(skills: Skills) -> Self {
        Self::with(skills, |_, _| Fault::None)
    }

    /// A server whose n-th question, counted from 0, meets a fault. Trials of what it can do are no questions.
    pub(crate) fn with(skills: Skills, plan: impl FnMut(usize, &Asked) -> Fault + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            skills,
            plan: Mutex::new(Box::new(plan)),
            asked: Mutex::default(),
            charged: Mutex::default(),
            last: Mutex::default(),
            files: Mutex::default(),
            n_questions: Mutex::default(),
            n_open: Mutex::default(),
        });
        let served = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let served = Arc::clone(&served);
                thread::spawn(move || serve(&served, stream, address));
            }
        });
        Self { address, shared }
    }

    /// Changes what goes wrong from now on.
    pub(crate) fn plan(&self, plan: impl FnMut(usize, &Asked) -> Fault + Send + 'static) {
        *self.shared.plan.lock().unwrap() = Box::new(plan);
    }

    /// `--model` for OpenAI's form.
    pub(crate) fn openai(&self) -> String {
        format!("openai:http://{}/v1#mock-omni", self.address)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// `--base-url` for Gemini's form.
    pub(crate) fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Questions that came, trials left out.
    pub(crate) fn questions(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().iter().filter(|a| a.is_question()).cloned().collect()
    }

    /// Everything that came.
    pub(crate) fn all(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// US dollars that it would have charged: for every reply that it began to write.
    pub(crate) fn charged(&self) -> f64 {
        *self.shared.charged.lock().unwrap()
    }

    /// Files that are still stored.
    pub(crate) fn stored(&self) -> Vec<String> {
        self.shared.files.lock().unwrap().keys().cloned().collect()
    }

    /// Most questions that were open at a time.
    pub(crate) fn most_open(&self) -> usize {
        self.shared.n_open.lock().unwrap().1
    }
}

fn serve(shared: &Shared, mut stream: TcpStream, address: SocketAddr) {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let Some(asked) = http::read(&mut stream) else { return };
    shared.asked.lock().unwrap().push(asked.clone());
    if !asked.is_question() {
        let (status, headers, body) = wires::other(shared, &asked, address);
        http::write(&mut stream, status, &headers, &body);
        return;
    }
    {
        let mut open = shared.n_open.lock().unwrap();
        open.0 += 1;
        open.1 = open.1.max(open.0);
    }
    answer(shared, &asked, &mut stream);
    shared.n_open.lock().unwrap().0 -= 1;
}

fn answer(shared: &Shared, asked: &Asked, stream: &mut TcpStream) {
    let number = {
        let mut n = shared.n_questions.lock().unwrap();
        *n += 1;
        *n - 1
    };
    let fault = (shared.plan.lock().unwrap())(number, asked);
    if let Fault::Status(status, headers, body) = &fault {
        let headers: Vec<(&str, String)> = headers.clone();
        http::write(stream, *status, &headers, body.as_bytes());
        return;
    }
    let (status, reply) = wires::question(shared, asked, number, &fault);
    if status != 200 {
        http::write(stream, status, &[], reply.to_string().as_bytes());
        return;
    }
    *shared.charged.lock().unwrap() += wires::price(&reply);
    let earlier = shared.last.lock().unwrap().replace(reply.clone());
    let text = reply.to_string();
    match fault {
        Fault::Late(time) => {
            thread::sleep(time);
            http::write(stream, 200, &[], text.as_bytes());
        }
        Fault::HalfClosed => {
            http::write_half(stream, text.as_bytes());
            let _ = stream.shutdown(Shutdown::Both);
        }
        Fault::Endless => http::write_endless(stream),
        Fault::Dropped => {
            let _ = stream.shutdown(Shutdown::Both);
        }
        Fault::CutJson => {
            let half = text.char_indices().nth(text.chars().count() / 2).map_or(0, |(at, _)| at);
            http::write(stream, 200, &[], &text.as_bytes()[..half]);
        }
        Fault::Twice => {
            http::write(stream, 200, &[], text.as_bytes());
            http::write(stream, 200, &[], text.as_bytes());
        }
        Fault::EarlierReply => {
            let text = earlier.unwrap_or(reply).to_string();
            http::write(stream, 200, &[], text.as_bytes());
        }
        _ => http::write(stream, 200, &[], text.as_bytes()),
    }
}
