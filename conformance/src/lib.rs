//! What API Gateway does with WebSockets, one case per fact, checked against any address.
//!
//! The facts are those of `docs/service-facts.md`. A [`Case`] speaks to a gateway over sockets alone, as a client, as
//! the operator, or through a function behind it: the probe, one small program that does what a message asks of it
//! (`PROBE.md` has its contract). `template.yaml` is what the cases need: AWS deploys it as it stands, and so does
//! `dunlin up`. This crate must not know how a gateway is made; it knows the program `dunlin` by its ready file.
//!
//! ```
//! use dunlin_conformance::{Api, Mark, Site, cases, facts, wire::{Address, Roots}};
//!
//! // A gateway that cannot deploy the template is named by the addresses that it has.
//! let mut site = Site::new(Roots::read(None)?);
//! site.add(Api::Main, Address::parse("wss://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com/conformance")?);
//! assert!(site.address(Api::Bare).is_err(), "cases that need another API say so and are skipped");
//!
//! let case = cases::all().find(|case| case.id == "R8.frame").unwrap();
//! assert_eq!((case.fact(), case.mark), ("R8", Mark::Observed));
//! assert!(facts::all().iter().any(|fact| fact.number == case.fact()));
//! # Ok::<(), String>(())
//! ```

mod case;
pub mod cases;
mod endpoint;
pub mod facts;
pub mod local;
mod observer;
pub mod report;
mod run;
pub mod script;
mod site;
pub mod wire;

pub use case::{Case, Checked, Mark, Need, Unmet};
pub(crate) use case::{equal, fails, holds};
pub use endpoint::Endpoint;
pub use observer::{Event, Observer};
pub use run::{Outcome, Verdict, run};
pub use site::{Api, Control, Domain, Site};
