"""Plain-text accounting: the movements as a journal of hledger or of beancount, with what the programs themselves can check."""
