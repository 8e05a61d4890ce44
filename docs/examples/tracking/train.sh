# Any program tells where it is by lines that begin with ::
echo "::step collect"
echo "::progress 200/200"
echo "collected 200 episodes"
echo "::step train"
echo "::metric loss=0.5 rate=1e-3"
echo "::skip compare there is nothing to compare with"
