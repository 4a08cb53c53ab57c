"""From videos and folders of pictures to the crops that CLIP is shown."""
