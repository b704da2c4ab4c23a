"""What a method is: its options, the evidence it reads, and what its search may ask."""
