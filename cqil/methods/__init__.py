"""What a method is: options that validate themselves, the evidence it reads, and what its search may ask."""
