"""What a trained run looked at: heat maps of the image encoder, and the views' part in the decision."""
