//! Why a pool has the number of workers it has, as a document: made by the operator from the very
//! inputs of its last decision, or, where that cannot be asked, from the pool's status alone; shown by
//! `awp explain`.
//!
//! | file | what it does |
//! |---|---|
//! | [`report`] | the document, as JSON and YAML have it |
//! | [`operator`] | made from a decision taken apart |
//! | [`status`] | made from the pool's own status |
//! | [`text`], `page`, `words` | as a colleague would put it, on one screen |

pub mod operator;
mod page;
pub mod report;
pub mod status;
pub mod text;
mod words;

#[cfg(test)]
mod tests;

pub use report::Report;
