//! Why a request of the client protocol was not done, as the client is told.

use axum::http::StatusCode;
use offhook_call::Refusal;
use offhook_proto::client::{Error, ErrorCode};

use crate::calls;
use crate::limit::Limited;
use crate::phone::{QuoteRefusal, Unavailable};

/// An error of the client protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What went wrong.
    pub code: ErrorCode,
    /// What the caller of the protocol can do about it.
    pub message: String,
    /// Seconds to wait; zero where waiting does not help.
    pub retry_after: u32,
}

impl Failure {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after: 0 }
    }

    pub(crate) fn bad_request(message: &str) -> Self {
        Self::new(ErrorCode::BadRequest, message)
    }

    pub(crate) fn unauthenticated() -> Self {
        Self::new(ErrorCode::Unauthenticated, "the token is missing, wrong, expired or revoked")
    }

    pub(crate) fn bad_code() -> Self {
        Self::new(ErrorCode::BadCode, "the code is wrong or expired, or was tried too often")
    }

    pub(crate) fn unavailable() -> Self {
        Self::new(ErrorCode::Unavailable, "the server cannot do this now: try again later")
    }

    pub(crate) fn bad_number() -> Self {
        Self::new(
            ErrorCode::BadNumber,
            "not a telephone number: write a plus sign and the country code first",
        )
    }

    /// The HTTP status that goes with the code.
    pub fn status(&self) -> StatusCode {
        match self.code {
            ErrorCode::BadRequest => StatusCode::BAD_REQUEST,
            ErrorCode::Unauthenticated => StatusCode::UNAUTHORIZED,
            ErrorCode::BadCode | ErrorCode::NotPermitted => StatusCode::FORBIDDEN,
            ErrorCode::NoCredit => StatusCode::PAYMENT_REQUIRED,
            ErrorCode::NoSuchCall => StatusCode::NOT_FOUND,
            ErrorCode::WrongState | ErrorCode::InCall => StatusCode::CONFLICT,
            ErrorCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            ErrorCode::BadNumber | ErrorCode::NoRoute => StatusCode::UNPROCESSABLE_ENTITY,
            ErrorCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::SessionGone => StatusCode::GONE,
            ErrorCode::Unspecified | ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let Failure { code, message, retry_after } = failure;
        Self { code: code.into(), message, retry_after }
    }
}

impl From<Limited> for Failure {
    fn from(limited: Limited) -> Self {
        let retry_after = u32::try_from(limited.retry_after.as_secs()).unwrap_or(u32::MAX);
        Self {
            code: ErrorCode::RateLimited,
            message: format!("too many requests: wait {retry_after} s"),
            retry_after,
        }
    }
}

impl From<offhook_store::Error> for Failure {
    fn from(error: offhook_store::Error) -> Self {
        match error {
            offhook_store::Error::Unavailable(source) => {
                tracing::warn!(error = %source, "the store did not answer");
                Self::unavailable()
            }
            other => {
                tracing::error!(error = %other, "the store is in disorder");
                Self::new(ErrorCode::Internal, "something is wrong on the server's side")
            }
        }
    }
}

impl From<QuoteRefusal> for Failure {
    fn from(refusal: QuoteRefusal) -> Self {
        let code = match refusal {
            QuoteRefusal::InvalidNumber => ErrorCode::BadNumber,
            QuoteRefusal::NotPermitted { .. } => ErrorCode::NotPermitted,
            QuoteRefusal::NoCredit => ErrorCode::NoCredit,
            QuoteRefusal::NoRoute => ErrorCode::NoRoute,
            QuoteRefusal::RateLimited { retry_after } => return Limited { retry_after }.into(),
            QuoteRefusal::Unavailable => ErrorCode::Unavailable,
        };
        Self::new(code, refusal.to_string())
    }
}

impl From<Unavailable> for Failure {
    fn from(_: Unavailable) -> Self {
        Self::unavailable()
    }
}

impl From<calls::Error> for Failure {
    fn from(error: calls::Error) -> Self {
        let refusal = match error {
            calls::Error::Refused(refusal) => refusal,
            calls::Error::Store(error) => return error.into(),
            calls::Error::Closed => return Self::unavailable(),
            calls::Error::NoNetwork => return QuoteRefusal::NoRoute.into(),
        };
        let code = match refusal {
            Refusal::NoSuchCall => ErrorCode::NoSuchCall,
            Refusal::WrongState => ErrorCode::WrongState,
            Refusal::InCall => ErrorCode::InCall,
            Refusal::BadNumber => ErrorCode::BadNumber,
            Refusal::Unavailable => ErrorCode::Unavailable,
            Refusal::RateLimited { retry_after } => return Limited { retry_after }.into(),
        };
        Self::new(code, refusal.to_string())
    }
}
