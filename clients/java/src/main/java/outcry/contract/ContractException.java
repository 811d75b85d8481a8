package outcry.contract;

/** The package's own copy of the contract is missing or damaged, or a type is not in it. */
public final class ContractException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  ContractException(String message) {
    super(message);
  }

  ContractException(String message, Throwable cause) {
    super(message, cause);
  }
}
