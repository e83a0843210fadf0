//! L2: what a deploy says while it runs. Types only; displays consume them and never touch the deploy.

use std::time::Duration;

use serde::Serialize;

use crate::base::names::{ObjectId, ReleaseId};

/// The steps of the path, in its order. The names are what people see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Reads the hook's input.
    Push,
    /// Finds the change to deploy.
    Refs,
    /// Decides what is reused, built and run.
    Plan,
    /// Writes the commit's files.
    Checkout,
    /// Builds the frontend.
    Frontend,
    /// Builds the Python environment.
    Python,
    /// Runs the app's own checks.
    Gate,
    /// Renders the configuration files.
    Render,
    /// Starts the new web process beside the old one.
    Boot,
    /// Applies migrations, collects static files.
    Migrate,
    /// Asks the new release whether it works.
    Health,
    /// Makes it live: one rename.
    Live,
    /// Starts the new workers beside the old ones.
    Workers,
    /// Asks through the real site.
    Verify,
    /// Ends what the old release still runs.
    Retire,
}

impl Stage {
    /// The name people see.
    pub fn name(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Refs => "refs",
            Self::Plan => "plan",
            Self::Checkout => "checkout",
            Self::Frontend => "frontend",
            Self::Python => "python",
            Self::Gate => "gate",
            Self::Render => "render",
            Self::Boot => "boot",
            Self::Migrate => "migrate",
            Self::Health => "health",
            Self::Live => "live",
            Self::Workers => "workers",
            Self::Verify => "verify",
            Self::Retire => "retire",
        }
    }
}

/// How a stage ended, when it did not fail. A stage that did nothing has to say why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "outcome")]
pub enum Outcome {
    /// It did its work.
    Done {
        /// What it did, in a few words.
        message: String,
    },
    /// It did its work, and there is something to look at.
    Warning {
        /// What, in one sentence.
        message: String,
    },
    /// There was nothing to do, or the result was there already.
    Reused {
        /// Why.
        message: String,
    },
}

impl Outcome {
    /// It did its work.
    pub fn done(message: impl Into<String>) -> Self {
        Self::Done {
            message: message.into(),
        }
    }

    /// There was nothing to do.
    pub fn reused(message: impl Into<String>) -> Self {
        Self::Reused {
            message: message.into(),
        }
    }

    /// There is something to look at.
    pub fn warning(message: impl Into<String>) -> Self {
        Self::Warning {
            message: message.into(),
        }
    }

    /// The text of any outcome.
    pub fn message(&self) -> &str {
        match self {
            Self::Done { message } | Self::Warning { message } | Self::Reused { message } => {
                message
            }
        }
    }
}

/// Something that happened.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum Event {
    /// The first event: what is deployed.
    Began {
        /// The app's name.
        app: String,
        /// Branch or revision, as asked for.
        source: String,
        /// The commit.
        commit: ObjectId,
        /// Its subject line.
        subject: String,
    },
    /// Somebody else's deploy is waited for.
    Waiting {
        /// Who holds the lock, what for, how long already.
        holder: String,
    },
    /// A stage begins.
    Started {
        /// Which.
        stage: Stage,
    },
    /// A line a tool printed, or a remark for the log.
    Line {
        /// During which stage.
        stage: Stage,
        /// The line, secrets removed.
        text: String,
    },
    /// A stage takes long: what it is at.
    Progress {
        /// Which.
        stage: Stage,
        /// What it is at.
        message: String,
    },
    /// A remark people should see, between the stages' lines.
    Note {
        /// One sentence.
        message: String,
    },
    /// A stage ended well.
    Ended {
        /// Which.
        stage: Stage,
        /// How.
        #[serde(flatten)]
        outcome: Outcome,
        /// How long it took, in seconds.
        #[serde(serialize_with = "as_seconds")]
        elapsed: Duration,
    },
    /// A stage failed; what follows undoes.
    Failed {
        /// Which.
        stage: Stage,
        /// The error's messages, outermost first.
        error: Vec<String>,
        /// The last lines of the tool's own output.
        output: Vec<String>,
        /// What to do next.
        hints: Vec<String>,
    },
    /// Something was put back, or could not be.
    Undone {
        /// What.
        what: String,
        /// Why it could not be, if so.
        error: Option<String>,
    },
    /// The last event of a run that made a release live.
    Finished {
        /// The site's URL.
        url: String,
        /// The live commit.
        commit: ObjectId,
        /// The live release.
        release: ReleaseId,
        /// The whole time, in seconds.
        #[serde(serialize_with = "as_seconds")]
        elapsed: Duration,
        /// The site's certificate, where the server's nginx serves it.
        #[serde(skip_serializing_if = "Option::is_none")]
        certificate: Option<CertificateLeft>,
    },
}

/// What is left of the site's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CertificateLeft {
    /// Whole days; below zero once it is over.
    pub days: i64,
    /// An authority issued it; otherwise it was made here, and browsers do not trust it.
    pub is_issued: bool,
    /// Somebody should act.
    pub is_pressing: bool,
}

fn as_seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((duration.as_secs_f64() * 1000.0).round() / 1000.0)
}
